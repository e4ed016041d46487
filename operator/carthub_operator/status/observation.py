"""What was seen of a CartService, for its status to be told from."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from carthub_operator import errors, rollout
from carthub_operator.api.conditions import Reason
from carthub_operator.api.resource import CartService
from carthub_operator.desired.facts import DatabaseCredentials
from carthub_operator.migration import Progress


@dataclass(frozen=True)
class SecretState:
    """How it stands with the credentials; `reason` and `message` go into SecretSynced."""

    is_synced: bool
    reason: Reason
    message: str


@dataclass(frozen=True)
class Observation:
    """What was seen after this pass's writes; live objects as the API server answers them."""

    deployment: Mapping[str, Any] | None
    autoscaler: Mapping[str, Any] | None
    # The API's pods; only looked up while something is not available.
    pods: tuple[Mapping[str, Any], ...]
    secret: SecretState
    # What is to be used, and what our Secret holds: another while suspended, or not written yet.
    credentials: DatabaseCredentials | None
    stored: DatabaseCredentials | None
    migration: Progress
    # The last value of the sync annotation that was carried out.
    handled_sync: str | None = None
    # What PostgreSQL takes in all, None while it was not asked.
    server_connections: int | None = None
    problem: errors.CarthubError | None = None
    # While suspended: whether carrying the spec out would change a child.
    has_pending_changes: bool = False


def enough_serve(resource: CartService, deployment: Mapping[str, Any]) -> bool:
    """Return whether the fewest pods that the spec asks for serve, less what a drain may take."""
    spec, wanted = resource.spec, rollout.wanted(deployment)
    declared = spec.autoscaling.min_replicas if spec.autoscaling.enabled else spec.replicas
    fewest = min(declared, wanted) - spec.pod_disruption_budget.max_unavailable
    return rollout.available(deployment) >= max(fewest, min(1, declared))


def serves_as_declared(resource: CartService, deployment: Mapping[str, Any]) -> bool:
    """Return whether the rollout is done and enough pods serve."""
    return rollout.is_complete(deployment) and enough_serve(resource, deployment)


def pods(count: int) -> str:
    """Return a number of pods in words."""
    return "1 pod" if count == 1 else f"{count} pods"
