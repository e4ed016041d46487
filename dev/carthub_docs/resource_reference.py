"""The fields of a CartService as a page, made from the CustomResourceDefinition."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

_HEAD = """\
# Fields of a CartService

Made from `crds/carthub.io_cartservices.yaml`; `kubectl explain cartservice.spec --recursive` shows
the same. What matters first, and what each condition and reason means:
[the CartService](resource.md).
"""


def page(definition: Mapping[str, Any]) -> str:
    """Return the page, in Markdown."""
    (version,) = definition["spec"]["versions"]
    schema = version["schema"]["openAPIV3Schema"]["properties"]
    kind = f"{definition['spec']['group']}/{version['name']}"
    parts = [_HEAD, f"`apiVersion: {kind}`, `kind: {definition['spec']['names']['kind']}`.\n"]
    for name in ("spec", "status"):
        parts += _section(name, schema[name])
    return "\n".join(parts)


def _section(path: str, schema: Mapping[str, Any]) -> Iterator[str]:
    """Yield the table of an object's fields, then those of the objects in it."""
    yield f"## {path}\n"
    yield f"{schema['description']}\n"
    yield "| field | type | default | |"
    yield "|---|---|---|---|"
    inner = []
    required = set(schema.get("required", ()))
    for name, field in schema["properties"].items():
        nested = field.get("items", field)
        shown = f"`{name}`"
        # Those of Kubernetes' own kinds are described there, and here without a word each.
        if all(one.get("description") for one in nested.get("properties", {}).values() or [{}]):
            inner.append((f"{path}.{name}" + ("[]" if "items" in field else ""), field, nested))
            shown = f"[`{name}`](#{_anchor(inner[-1][0])})"
        default = "required" if name in required else _default(field)
        yield f"| {shown} | {_type(field)} | {default} | {_told(field)} |"
    yield ""
    if rules := [rule["message"] for rule in schema.get("x-kubernetes-validations", ())]:
        yield "Refused with these words:\n"
        yield from (f"- {_escaped(rule)}" for rule in rules)
        yield ""
    for where, field, nested in inner:
        yield from _section(where, {**nested, "description": field["description"]})


def _anchor(heading: str) -> str:
    return "".join(letter for letter in heading.lower() if letter.isalnum() or letter in "-_")


def _default(field: Mapping[str, Any]) -> str:
    if "default" not in field:
        return ""
    # The defaults of an object's fields stand in its own table.
    if field.get("type") == "object" and "properties" in field:
        return ""
    return f"`{json.dumps(field['default'])}`"


def _type(field: Mapping[str, Any]) -> str:
    if "enum" in field:
        return " or ".join(f"`{value}`" for value in field["enum"])
    if field.get("x-kubernetes-int-or-string"):
        return "integer or string"
    if field["type"] == "array":
        return f"list of {_type(field['items'])}"
    if field["type"] == "object" and "additionalProperties" in field:
        return f"map of {_type(field['additionalProperties'])}"
    return str(field["type"]) + _bounds(field)


def _bounds(field: Mapping[str, Any]) -> str:
    low, high = field.get("minimum"), field.get("maximum")
    if low is not None and high is not None:
        return f", {low} to {high}"
    if low is not None:
        return f", at least {low}"
    return "" if high is None else f", at most {high}"


def _told(field: Mapping[str, Any]) -> str:
    rules = [rule["message"] for rule in field.get("x-kubernetes-validations", ())]
    nested = field.get("items", field).get("properties")
    # Those of an object with a table of its own stand below that.
    told = [field.get("description", ""), *([] if nested else (f"{one}." for one in rules))]
    return _escaped(" ".join(told).strip())


def _escaped(text: str) -> str:
    """Return text that a table's cell can hold."""
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
