"""A CartService as it came from the API server."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from carthub_operator.api import names
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
        raise InvalidSpec(f"{field}: {first['msg']}") from None
    return CartService(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        generation=metadata.get("generation", 0),
        spec=spec,
        status=raw.get("status") or {},
        annotations=metadata.get("annotations") or {},
        is_deleting="deletionTimestamp" in metadata,
    )
