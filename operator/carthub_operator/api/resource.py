"""A CartService as it came from the API server."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError

from carthub_operator.api import names
from carthub_operator.api.model import Rule, unknown
from carthub_operator.api.spec import CartServiceSpec
from carthub_operator.errors import InvalidSpec


@dataclass(frozen=True, order=True)
class Key:
    """Which CartService."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True)
class CartService:
    """One resource, parsed; `status` stays as it was written."""

    namespace: str
    name: str
    uid: str
    generation: int
    spec: CartServiceSpec
    status: Mapping[str, Any]
    annotations: Mapping[str, str]

    @property
    def key(self) -> Key:
        """Return which one it is."""
        return Key(self.namespace, self.name)

    @property
    def was_told(self) -> bool:
        """Return whether the operator has ever written its status."""
        return was_told(self.status)

    @property
    def owner_reference(self) -> dict[str, Any]:
        """Return the reference by which Kubernetes deletes children with their CartService."""
        return {
            "apiVersion": names.API_VERSION,
            "kind": names.KIND,
            "name": self.name,
            "uid": self.uid,
            "controller": True,
            "blockOwnerDeletion": True,
        }

    def metadata(self, name: str, *, component: str = names.COMPONENT_API) -> dict[str, Any]:
        """Return the metadata of a child with that name."""
        return {
            "name": name,
            "namespace": self.namespace,
            "labels": names.labels(self.name, self.uid, component=component),
            "ownerReferences": [self.owner_reference],
        }


def _copies_its_own_secret(resource: CartService) -> bool:
    source = resource.spec.database.credentials.existing_secret
    return source is not None and source.name == names.database_secret(resource.name)


# Over the whole object: spec and metadata.
RULES: Final = (
    Rule(
        cel=f"size(self.metadata.name) <= {names.NAME_MAX_LENGTH}"
        f" && self.metadata.name.matches('{names.NAME_PATTERN}')",
        message=f"metadata.name must be a DNS-1035 label of at most {names.NAME_MAX_LENGTH}"
        " characters: lower-case letters, digits and '-', starting with a letter",
        holds=lambda it: (
            len(it.name) <= names.NAME_MAX_LENGTH
            and re.fullmatch(names.NAME_PATTERN, it.name) is not None
        ),
    ),
    Rule(
        cel="!has(self.spec.database.credentials.existingSecret)"
        " || self.spec.database.credentials.existingSecret.name"
        f" != self.metadata.name + '{names.database_secret('')}'",
        message="spec.database.credentials.existingSecret.name is the Secret that the operator"
        " writes: give the name of"
        " another one",
        holds=lambda it: not _copies_its_own_secret(it),
    ),
)


def was_told(status: Mapping[str, Any]) -> bool:
    """Return whether the operator has ever written this status; the definition begins it."""
    return bool(status.get("observedGeneration", -1) != -1)


def parse(raw: Mapping[str, Any]) -> CartService:
    """Return the resource; raises InvalidSpec, which names the first field that is wrong.

    The API server has refused most of what fails here. What is left is a resource stored
    before a rule was added.
    """
    try:
        spec = _spec(raw)
    except ValidationError as error:
        raise InvalidSpec(_sentences(error)[0]) from None
    resource = _resource(raw, spec)
    for message in _broken_rules(resource):
        raise InvalidSpec(message)
    return resource


def problems(raw: Mapping[str, Any]) -> list[str]:
    """Return everything that the API server would refuse, fields that it does not know too."""
    if raw.get("apiVersion") != names.API_VERSION:
        return [f"apiVersion is {raw.get('apiVersion')!r}, must be {names.API_VERSION}"]
    found = [f"spec.{path} is not a field" for path in unknown(CartServiceSpec, raw.get("spec"))]
    metadata = raw.get("metadata") or {}
    if not isinstance(metadata.get("name", ""), str):
        found.append(f"metadata.name is {metadata['name']!r}, must be a string: put it in quotes")
        return found
    try:
        spec = _spec(raw)
    except ValidationError as error:
        return found + _sentences(error)
    return found + _broken_rules(_resource(raw, spec))


def _spec(raw: Mapping[str, Any]) -> CartServiceSpec:
    return CartServiceSpec.model_validate(raw.get("spec") or {})


def _resource(raw: Mapping[str, Any], spec: CartServiceSpec) -> CartService:
    # A file need not say what the API server adds.
    metadata = raw.get("metadata") or {}
    return CartService(
        namespace=metadata.get("namespace", ""),
        name=metadata.get("name", ""),
        uid=metadata.get("uid", ""),
        generation=metadata.get("generation", 0),
        spec=spec,
        status=raw.get("status") or {},
        annotations=metadata.get("annotations") or {},
    )


def _broken_rules(resource: CartService) -> list[str]:
    return [rule.message for rule in RULES if not rule.holds(resource)]


def _sentences(error: ValidationError) -> list[str]:
    return [
        f"{'.'.join(['spec', *map(str, one['loc'])])}: {one['msg'].removeprefix('Value error, ')}"
        for one in error.errors(include_url=False, include_input=False)
    ]
