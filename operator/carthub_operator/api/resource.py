"""A CartService as it came from the API server."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError

from carthub_operator.api import names
from carthub_operator.api.model import Rule
from carthub_operator.api.spec import CartServiceSpec
from carthub_operator.errors import InvalidSpec


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
    is_deleting: bool

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
            and re.match(names.NAME_PATTERN, it.name) is not None
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


def parse(raw: Mapping[str, Any]) -> CartService:
    """Return the resource; raises InvalidSpec, which names the first field that is wrong.

    The API server has refused most of what fails here. What is left is a resource stored
    before a rule was added.
    """
    metadata = raw["metadata"]
    try:
        spec = CartServiceSpec.model_validate(raw.get("spec") or {})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(["spec", *(str(part) for part in first["loc"])])
        raise InvalidSpec(f"{field}: {first['msg'].removeprefix('Value error, ')}") from None
    resource = CartService(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        generation=metadata.get("generation", 0),
        spec=spec,
        status=raw.get("status") or {},
        annotations=metadata.get("annotations") or {},
        is_deleting="deletionTimestamp" in metadata,
    )
    for rule in RULES:
        if not rule.holds(resource):
            raise InvalidSpec(rule.message)
    return resource
