"""What a change of a CustomResourceDefinition takes away from who uses the version before it.

Strict on purpose: what it does not know it calls incompatible. docs/upgrading.md has the rules.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]

# Words for people; nothing is checked by them.
_FREE = frozenset({"description", "title", "example", "externalDocs"})
_LOWEST = frozenset({"minimum", "minLength", "minItems", "minProperties"})
_HIGHEST = frozenset({"maximum", "maxLength", "maxItems", "maxProperties"})
# Only while they are set do they take anything away.
_LIMITS = frozenset({"pattern", "format", "multipleOf"})
_SWITCHES_THAT_REFUSE = frozenset({"exclusiveMinimum", "exclusiveMaximum", "uniqueItems"})
_SWITCHES_THAT_ALLOW = frozenset({"nullable", "x-kubernetes-preserve-unknown-fields"})
_COMPARED_APART = frozenset(
    {"properties", "items", "additionalProperties", "required", "enum", "x-kubernetes-validations"}
)
# Before its first `||` a rule may ask for the one field without which it says nothing.
_RULE_OF_A_FIELD = re.compile(r"!has\(self\.([\w.]+)\) \|\| (?!.* \? )")


def incompatible(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return a sentence for each change of a definition that is not compatible, [] for none."""
    return [*_about_the_kind(before["spec"], now["spec"]), *_about_versions(before, now)]


def _about_the_kind(before: Schema, now: Schema) -> Iterator[str]:
    for field in ("group", "scope"):
        if before[field] != now[field]:
            yield f"{field} was {before[field]}, is {now[field]}"
    for field, value in before["names"].items():
        kept = now["names"].get(field)
        if isinstance(value, list):
            for lost in sorted({*value} - {*(kept or ())}):
                yield f"names.{field} has lost {lost}"
        elif kept != value:
            yield f"names.{field} was {value}, is {kept}"


def _about_versions(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    current = {version["name"]: version for version in now["spec"]["versions"]}
    for version in before["spec"]["versions"]:
        name = version["name"]
        kept = current.get(name)
        if kept is None:
            yield f"version {name} is gone"
            continue
        for field in ("served", "storage"):
            if version[field] and not kept[field]:
                yield f"version {name} is no longer of {field}: true"
        for subresource, value in version.get("subresources", {}).items():
            if kept.get("subresources", {}).get(subresource) != value:
                yield f"version {name}: subresource {subresource} is another or gone"
        for selectable in version.get("selectableFields", ()):
            if selectable not in kept.get("selectableFields", ()):
                yield f"version {name}: {selectable['jsonPath']} is no longer selectable"
        yield from _about_a_schema(
            version["schema"]["openAPIV3Schema"], kept["schema"]["openAPIV3Schema"], name
        )


def _about_a_schema(before: Schema, now: Schema, path: str) -> Iterator[str]:
    for keyword in sorted({*before, *now} - _FREE - _COMPARED_APART):
        was, is_ = before.get(keyword), now.get(keyword)
        if was != is_ and not _takes_nothing(keyword, was, is_):
            yield f"{path}: {keyword} was {_told(was)}, is {_told(is_)}"
    for name in sorted({*now.get("required", ())} - {*before.get("required", ())}):
        yield f"{path}.{name} is newly required"
    yield from _about_values(before, now, path)
    yield from _about_rules(before, now, path)
    yield from _about_what_is_inside(before, now, path)


def _takes_nothing(keyword: str, was: Any, is_: Any) -> bool:
    if keyword in _LIMITS or keyword in _LOWEST | _HIGHEST:
        if is_ is None:
            return True
        if was is None or keyword in _LIMITS:
            return False
        return bool(is_ < was if keyword in _LOWEST else is_ > was)
    if keyword in _SWITCHES_THAT_REFUSE:
        return not is_
    if keyword in _SWITCHES_THAT_ALLOW:
        return bool(is_)
    # Types, defaults, how lists are merged, anyOf and its like, and what is not known here.
    return False


def _about_values(before: Schema, now: Schema, path: str) -> Iterator[str]:
    if "enum" not in now:
        return
    if "enum" not in before:
        yield f"{path}: enum was {_told(None)}, is {_told(now['enum'])}"
        return
    for value in before["enum"]:
        if value not in now["enum"]:
            yield f"{path}: enum has lost {value}"


def _about_rules(before: Schema, now: Schema, path: str) -> Iterator[str]:
    known = {rule["rule"] for rule in before.get("x-kubernetes-validations", ())}
    for rule in now.get("x-kubernetes-validations", ()):
        # With it a rule may let be what is stored, and it is asked for nothing else.
        if rule["rule"] in known or rule.get("optionalOldSelf"):
            continue
        of_a_field = _RULE_OF_A_FIELD.match(rule["rule"])
        if of_a_field is None or _has(before, of_a_field[1].split(".")):
            yield f"{path}: a new rule: {rule['rule']}"


def _has(schema: Schema, names: list[str]) -> bool:
    for name in names:
        if name not in schema.get("properties", {}):
            return False
        schema = schema["properties"][name]
    return True


def _about_what_is_inside(before: Schema, now: Schema, path: str) -> Iterator[str]:
    kept_all = before.get("x-kubernetes-preserve-unknown-fields")
    keeps_all = now.get("x-kubernetes-preserve-unknown-fields")
    for name, schema in before.get("properties", {}).items():
        if name in now.get("properties", {}):
            yield from _about_a_schema(schema, now["properties"][name], f"{path}.{name}")
        elif not keeps_all:
            yield f"{path}.{name} is gone"
    for keyword, inside in (("items", "[]"), ("additionalProperties", "{}")):
        was, is_ = before.get(keyword), now.get(keyword)
        if isinstance(was, Mapping) and isinstance(is_, Mapping):
            yield from _about_a_schema(was, is_, path + inside)
        elif was and not is_ and not keeps_all:
            yield f"{path}: {keyword} is gone"
        elif isinstance(is_, Mapping) and (was is True or kept_all or keyword == "items"):
            yield f"{path}: {keyword} was {_told(was)}, is a schema"


def _told(value: object) -> str:
    return "not there" if value is None else str(value)
