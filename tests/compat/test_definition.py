"""The definition of CartServices only ever grows: docs/upgrading.md has the rules."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.crd import CRD_FILE
from tests.support.crd_changes import incompatible

Object = dict[str, Any]
FROZEN = sorted(Path(__file__).parent.glob(f"v*/crds/{CRD_FILE.name}"))
NEW_RULE = "self.a >= 2"

# A resource small enough to be seen at once, with one of everything that may change.
SCHEMA: Object = {
    "type": "object",
    "required": ["a"],
    "properties": {
        "a": {"type": "integer", "minimum": 1, "maximum": 9, "default": 3},
        "name": {"type": "string", "pattern": "^a", "minLength": 1, "maxLength": 9},
        "mode": {"type": "string", "enum": ["On", "Off"], "nullable": True},
        "list": {
            "type": "array",
            "maxItems": 4,
            "x-kubernetes-list-type": "set",
            "items": {"type": "string", "maxLength": 9},
        },
        "map": {"type": "object", "additionalProperties": {"type": "integer", "maximum": 9}},
        "any": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        "either": {"anyOf": [{"type": "integer"}, {"type": "string"}]},
    },
    "x-kubernetes-validations": [{"rule": "self.a != 5", "message": "not five"}],
}


def definition(schema: Object) -> Object:
    return {
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"kind": "Thing", "plural": "things", "shortNames": ["th"]},
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": schema},
                    "subresources": {"status": {}, "scale": {"specReplicasPath": ".a"}},
                    "selectableFields": [{"jsonPath": ".mode"}],
                    "additionalPrinterColumns": [{"name": "A", "jsonPath": ".a"}],
                }
            ],
        }
    }


def changed(change: Callable[[Object], object]) -> list[str]:
    """Return what is said of a change of the schema, or of the whole where it begins there."""
    now = copy.deepcopy(definition(SCHEMA))
    change(now["spec"])
    return incompatible(definition(SCHEMA), now)


def in_schema(spec: Object, *path: str) -> Any:
    found: Any = spec["versions"][0]["schema"]["openAPIV3Schema"]
    for name in path:
        found = found[name]
    return found


def field(spec: Object, name: str) -> Any:
    return in_schema(spec, "properties", name)


@pytest.mark.parametrize("frozen", FROZEN, ids=lambda file: file.parents[1].name)
def test_the_definition_takes_nothing_from_a_version(frozen: Path) -> None:
    before, now = (yaml.safe_load(file.read_text()) for file in (frozen, CRD_FILE))

    assert incompatible(before, now) == []


def test_no_change_is_compatible() -> None:
    assert changed(lambda _spec: None) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda s: in_schema(s, "properties").pop("name"), "v1.name is gone"),
        (lambda s: field(s, "a").update(type="string"), "v1.a: type was integer, is string"),
        (lambda s: in_schema(s).update(required=["a", "name"]), "v1.name is newly required"),
        (
            lambda s: in_schema(s).update(
                required=["a", "new"], properties={**SCHEMA["properties"], "new": {}}
            ),
            "v1.new is newly required",
        ),
        (lambda s: field(s, "a").update(minimum=2), "v1.a: minimum was 1, is 2"),
        (lambda s: field(s, "a").update(maximum=8), "v1.a: maximum was 9, is 8"),
        (lambda s: field(s, "a").update(multipleOf=2), "v1.a: multipleOf was not there, is 2"),
        (
            lambda s: field(s, "a").update(exclusiveMinimum=True),
            "v1.a: exclusiveMinimum was not there, is True",
        ),
        (lambda s: field(s, "a").update(default=4), "v1.a: default was 3, is 4"),
        (lambda s: field(s, "a").pop("default"), "v1.a: default was 3, is not there"),
        (lambda s: field(s, "name").update(default="a"), "v1.name: default was not there, is a"),
        (lambda s: field(s, "name").update(pattern="^ab"), "v1.name: pattern was ^a, is ^ab"),
        (lambda s: field(s, "name").update(minLength=2), "v1.name: minLength was 1, is 2"),
        (lambda s: field(s, "name").update(maxLength=8), "v1.name: maxLength was 9, is 8"),
        (
            lambda s: field(s, "name").update(format="date-time"),
            "v1.name: format was not there, is date-time",
        ),
        (lambda s: field(s, "name").update(enum=["a"]), "v1.name: enum was not there, is ['a']"),
        (lambda s: field(s, "mode").update(enum=["On"]), "v1.mode: enum has lost Off"),
        (lambda s: field(s, "mode").pop("nullable"), "v1.mode: nullable was True, is not there"),
        (lambda s: field(s, "list").update(maxItems=3), "v1.list: maxItems was 4, is 3"),
        (lambda s: field(s, "list")["items"].update(maxLength=1), "v1.list[]: maxLength was 9"),
        (
            lambda s: field(s, "list").update({"x-kubernetes-list-type": "atomic"}),
            "v1.list: x-kubernetes-list-type was set, is atomic",
        ),
        (
            lambda s: field(s, "map")["additionalProperties"].update(maximum=1),
            "v1.map{}: maximum was 9, is 1",
        ),
        (
            lambda s: field(s, "map").pop("additionalProperties"),
            "v1.map: additionalProperties is gone",
        ),
        (
            lambda s: field(s, "any").update(additionalProperties={"type": "string"}),
            "v1.any: additionalProperties was not there, is a schema",
        ),
        (
            lambda s: field(s, "any").pop("x-kubernetes-preserve-unknown-fields"),
            "v1.any: x-kubernetes-preserve-unknown-fields was True, is not there",
        ),
        (lambda s: field(s, "either").update(anyOf=[]), "v1.either: anyOf was"),
        (
            lambda s: field(s, "a").update({"x-kubernetes-unheard-of": 1}),
            "v1.a: x-kubernetes-unheard-of was not there, is 1",
        ),
        (
            lambda s: in_schema(s, "x-kubernetes-validations").append({"rule": NEW_RULE}),
            f"v1: a new rule: {NEW_RULE}",
        ),
        (
            lambda s: in_schema(s, "x-kubernetes-validations").append(
                {"rule": "!has(self.name) || self.a > 2"}
            ),
            "v1: a new rule: !has(self.name) || self.a > 2",
        ),
        (
            lambda s: in_schema(s, "x-kubernetes-validations").append(
                {"rule": "!has(self.new) || self.a > 2 ? false : true"}
            ),
            "v1: a new rule: ",
        ),
        (lambda s: s.update(group="example.org"), "group was example.com, is example.org"),
        (lambda s: s.update(scope="Cluster"), "scope was Namespaced, is Cluster"),
        (lambda s: s["names"].update(kind="Other"), "names.kind was Thing, is Other"),
        (lambda s: s["names"].pop("shortNames"), "names.shortNames has lost th"),
        (lambda s: s["versions"].clear(), "version v1 is gone"),
        (lambda s: s["versions"][0].update(served=False), "v1 is no longer of served: true"),
        (lambda s: s["versions"][0].update(storage=False), "v1 is no longer of storage: true"),
        (lambda s: s["versions"][0]["subresources"].pop("scale"), "subresource scale is another"),
        (lambda s: s["versions"][0].pop("selectableFields"), ".mode is no longer selectable"),
    ],
)
def test_what_takes_something_away_is_told(change: Callable[[Object], object], said: str) -> None:
    (found,) = changed(change)

    assert said in found


@pytest.mark.parametrize(
    "change",
    [
        lambda s: in_schema(s, "properties").update(new={"type": "string", "default": "a"}),
        lambda s: in_schema(s).pop("required"),
        lambda s: in_schema(s).update(description="another"),
        lambda s: field(s, "a").update(minimum=0, maximum=10),
        lambda s: field(s, "a").pop("maximum"),
        lambda s: field(s, "name").pop("pattern"),
        lambda s: field(s, "mode").update(enum=["Off", "On", "Auto"]),
        lambda s: field(s, "mode").pop("enum"),
        lambda s: field(s, "a").update(nullable=True),
        lambda s: in_schema(s).pop("x-kubernetes-validations"),
        lambda s: in_schema(s, "x-kubernetes-validations")[0].update(message="other words"),
        lambda s: in_schema(s, "x-kubernetes-validations").append(
            {"rule": "oldSelf.hasValue() || self.a > 2", "optionalOldSelf": True}
        ),
        lambda s: in_schema(s, "x-kubernetes-validations").append(
            {"rule": "!has(self.new) || self.a > 2"}
        ),
        lambda s: s["versions"][0].pop("additionalPrinterColumns"),
        lambda s: s["names"].update(shortNames=["th", "thing"], categories=["all"]),
        lambda s: s["versions"].append({**s["versions"][0], "name": "v2", "storage": False}),
    ],
)
def test_what_only_adds_is_compatible(change: Callable[[Object], object]) -> None:
    assert changed(change) == []
