"""What can be told of a CartService before anything is read or written: pure, from what is known.

Spares a restart the reading of every Secret, and tells of a suspended resource what it misses.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from carthub_operator import rollout
from carthub_operator.api import names
from carthub_operator.api.conditions import Type
from carthub_operator.api.durations import seconds
from carthub_operator.api.resource import CartService
from carthub_operator.compare import fields_of
from carthub_operator.desired.children import ChildKey, Plan, plan
from carthub_operator.desired.facts import Facts, Manifest
from carthub_operator.desired.replicas import replicas

_DEFAULT_REFRESH_SECONDS = 60


class Live(Protocol):
    """The children as they are."""

    def get(self, kind: str, name: str) -> Mapping[str, Any] | None:
        """Return a child, or None."""

    def differs(self, manifest: Manifest, *, field_manager: str = ...) -> bool:
        """Tell whether applying it would change anything."""

    def unwanted(self, is_wanted: Callable[[ChildKey], bool]) -> Sequence[Manifest]:
        """Return what is ours and no longer wanted."""


def looks_settled(resource: CartService, children: Live, facts: Facts) -> bool:
    """Tell whether all that can be seen without the credentials is as it was when last told."""
    status = resource.status
    conditions = {one["type"]: one["status"] for one in status.get("conditions") or ()}
    deployment = children.get("Deployment", names.deployment(resource.name))
    if (
        deployment is None
        or resource.spec.suspend
        or status.get("observedGeneration") != resource.generation
        or conditions.get(Type.READY) != "True"
        # It may have broken while nobody looked.
        or not rollout.is_rolled_out(deployment)
    ):
        return False
    template = deployment["spec"]["template"]
    annotations = template["metadata"].get("annotations") or {}
    database = status.get("database", {})
    version = database.get("secretVersionId")
    wanted = plan(resource, facts)
    return (
        resource.annotations.get(names.ANNOTATION_SYNC) == database.get("lastHandledSync")
        and annotations.get(names.ANNOTATION_SECRET_VERSION) == version
        and template["spec"]["containers"][0]["image"] == resource.spec.image
        # Its port may be the secret's.
        and not any(children.differs(m) for m in wanted.apply if m["kind"] != "NetworkPolicy")
    )


def is_pending(resource: CartService, children: Live, wanted: Plan) -> bool:
    """Tell whether carrying out a plan would change or remove a child."""
    count = replicas_of(resource, children.get("Deployment", names.deployment(resource.name)))
    return (
        bool(wanted.create)
        or bool(children.unwanted(wanted.wants))
        or any(children.differs(manifest) for manifest in wanted.apply)
        or (
            count is not None
            and children.differs(count, field_manager=names.REPLICAS_FIELD_MANAGER)
        )
    )


def replicas_of(resource: CartService, deployment: Mapping[str, Any] | None) -> Manifest | None:
    """Return what to apply to a Deployment that exists, as the replicas' field manager, or None."""
    if deployment is None:
        return None
    # Whoever scales it by hand takes the field over, and is left alone.
    owned = fields_of(deployment, names.REPLICAS_FIELD_MANAGER).get("f:spec", {})
    is_ours = "f:replicas" in owned
    return replicas(
        resource, exists=True, is_at_our_zero=is_ours and rollout.wanted(deployment) == 0
    )


def refresh_seconds(resource: CartService) -> int:
    """Return how often the credentials are looked at."""
    sources = resource.spec.database.credentials
    source = sources.secrets_manager or sources.existing_secret
    return seconds(source.refresh_interval) if source else _DEFAULT_REFRESH_SECONDS
