"""What the operator says of a CartService: pure, from the resource and what was seen.

Read by people in `kubectl describe`, and by tools that follow kstatus: Stalled=True means that
somebody has to act, Reconciling=True that it goes on by itself, neither and Ready=True done.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from carthub_operator import errors, rollout
from carthub_operator.api import names
from carthub_operator.api.conditions import Condition, Reason, Type, merged
from carthub_operator.api.resource import CartService
from carthub_operator.desired.facts import DatabaseCredentials, MigrationState, migration_key
from carthub_operator.desired.service import url
from carthub_operator.rollout import is_rolled_out

__all__ = [
    "Observation",
    "SecretState",
    "is_rolled_out",
    "status_for",
    "status_for_invalid",
]

_PROBLEM_REASONS: dict[type[errors.CarthubError], Reason] = {
    errors.InvalidSpec: Reason.INVALID_SPEC,
    errors.Conflict: Reason.NAME_CONFLICT,
    errors.Forbidden: Reason.FORBIDDEN,
    errors.Rejected: Reason.REJECTED,
}
# These pass by themselves.
_PASSING_SECRET_REASONS = frozenset({Reason.PENDING, Reason.SECRET_SOURCE_UNAVAILABLE})


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
    credentials: DatabaseCredentials | None
    migration: MigrationState
    migration_message: str = ""
    problem: errors.CarthubError | None = None
    # While suspended: whether carrying the spec out would change a child.
    has_pending_changes: bool = False


def status_for(resource: CartService, observation: Observation, *, now: str) -> dict[str, Any]:
    """Return the whole `.status`; equal facts give an equal status, whatever `now` is."""
    previous = resource.status
    generation = resource.generation
    features = _feature_conditions(resource, observation)
    if resource.spec.suspend:
        summary = _suspended(observation, previous)
        if observation.has_pending_changes:
            generation = previous.get("observedGeneration", -1)
    else:
        summary = _summary(resource, observation, features)
    return {
        "observedGeneration": generation,
        "conditions": merged(
            # The verdict first: it is what `kubectl describe` is read for.
            [*summary, *features],
            previous=previous.get("conditions", ()),
            generation=resource.generation,
            now=now,
        ),
        **_figures(resource, observation),
    }


def status_for_invalid(
    generation: int,
    previous: Mapping[str, Any],
    error: errors.InvalidSpec,
    *,
    now: str,
) -> dict[str, Any]:
    """Return the status of a resource whose spec cannot be read; the rest stays as it was."""
    told = (
        Condition(Type.READY, False, Reason.INVALID_SPEC, str(error)),
        Condition(Type.RECONCILING, False, Reason.INVALID_SPEC, "Waiting for a valid spec"),
        Condition(Type.STALLED, True, Reason.INVALID_SPEC, str(error)),
    )
    old = list(previous.get("conditions", ()))
    summary = merged(told, previous=old, generation=generation, now=now)
    kept = [condition for condition in old if condition["type"] not in {c.type for c in told}]
    return {**previous, "observedGeneration": generation, "conditions": summary + kept}


def _feature_conditions(resource: CartService, seen: Observation) -> list[Condition]:
    secret = seen.secret
    conditions = [
        Condition(Type.SECRET_SYNCED, secret.is_synced, secret.reason, secret.message),
        _available(resource, seen.deployment),
    ]
    if resource.spec.database.migrations.enabled:
        conditions.append(_migration(resource, seen))
    if resource.spec.autoscaling.enabled:
        conditions.append(_autoscaling(seen.autoscaler))
    return conditions


def _available(resource: CartService, deployment: Mapping[str, Any] | None) -> Condition:
    kind = Type.DEPLOYMENT_AVAILABLE
    if deployment is None:
        return Condition(kind, False, Reason.NOT_CREATED, "The Deployment does not exist yet")
    message = f"{rollout.available(deployment)} of {_pods(rollout.wanted(deployment))} serving"
    if _enough_serve(resource, deployment):
        return Condition(kind, True, Reason.AVAILABLE, message)
    return Condition(kind, False, Reason.UNAVAILABLE, message)


def _enough_serve(resource: CartService, deployment: Mapping[str, Any]) -> bool:
    """Return whether the fewest pods that the spec asks for serve, less what a drain may take."""
    spec, wanted = resource.spec, rollout.wanted(deployment)
    declared = spec.autoscaling.min_replicas if spec.autoscaling.enabled else spec.replicas
    fewest = min(declared, wanted) - spec.pod_disruption_budget.max_unavailable
    return rollout.available(deployment) >= max(fewest, min(1, wanted))


def _migration(resource: CartService, seen: Observation) -> Condition:
    kind, image = Type.MIGRATION_SUCCEEDED, resource.spec.image
    if seen.migration is MigrationState.SUCCEEDED:
        return Condition(kind, True, Reason.MIGRATED, f"The schema serves {image}")
    if seen.credentials is None:
        return Condition(kind, None, Reason.PENDING, "Waiting for the database credentials")
    job = names.migration_job(resource.name, migration_key(resource, seen.credentials))
    if seen.migration is MigrationState.FAILED:
        why = seen.migration_message or f"see `kubectl logs job/{job}`"
        return Condition(
            kind,
            False,
            Reason.MIGRATION_FAILED,
            f"Migrations of {image} failed: {why}. The version before goes on serving. Mend the"
            f" cause and `kubectl delete job {job}` to try again, or set another image",
        )
    if resource.spec.suspend:
        return Condition(kind, None, Reason.SUSPENDED, f"Not migrated for {image} yet: suspended")
    return Condition(kind, None, Reason.MIGRATING, f"Job {job} migrates the schema for {image}")


def _autoscaling(autoscaler: Mapping[str, Any] | None) -> Condition:
    kind = Type.AUTOSCALING_READY
    active = rollout.condition(autoscaler, "ScalingActive") if autoscaler else {}
    if active.get("status") == "True":
        return Condition(kind, True, Reason.SCALING, "The autoscaler reads its metrics")
    if active.get("status") == "False":
        return Condition(
            kind, False, Reason.METRICS_UNAVAILABLE, active.get("message", "no metrics")
        )
    return Condition(kind, None, Reason.PENDING, "The autoscaler has not read metrics yet")


def _summary(
    resource: CartService, seen: Observation, features: Iterable[Condition]
) -> list[Condition]:
    told = {feature.type: feature for feature in features}
    if stalled := _what_stalls(resource, seen, told):
        reason, message = stalled
        return [
            Condition(Type.READY, False, reason, message),
            Condition(Type.RECONCILING, False, reason, "Waiting for somebody to act"),
            Condition(Type.STALLED, True, reason, message),
        ]
    if going_on := _what_goes_on(resource, seen, told):
        reason, message = going_on
        return [
            Condition(Type.READY, False, reason, message),
            Condition(Type.RECONCILING, True, reason, message),
            Condition(Type.STALLED, False, Reason.PROGRESSING, "Nothing needs a person"),
        ]
    return [
        Condition(Type.READY, True, Reason.READY, f"{resource.spec.image} serves"),
        Condition(Type.RECONCILING, False, Reason.IDLE, "Everything is as declared"),
        Condition(Type.STALLED, False, Reason.IDLE, "Nothing needs a person"),
    ]


def _suspended(seen: Observation, previous: Mapping[str, Any]) -> list[Condition]:
    message = "spec.suspend is true: the operator leaves the children as they are"
    ready = Condition(Type.READY, None, Reason.SUSPENDED, message)
    if seen.has_pending_changes:
        changed = "The spec has changed while suspended; set spec.suspend to false to roll it out"
        ready = Condition(Type.READY, None, Reason.SUSPENDED, changed)
    else:
        for old in previous.get("conditions", ()):
            if old["type"] == Type.READY:
                status = {"True": True, "False": False}.get(old["status"])
                ready = Condition(Type.READY, status, old["reason"], old["message"])
    return [
        ready,
        Condition(Type.RECONCILING, False, Reason.SUSPENDED, message),
        Condition(Type.STALLED, False, Reason.SUSPENDED, message),
        Condition(Type.SUSPENDED, True, Reason.SUSPENDED, message),
    ]


def _what_stalls(
    resource: CartService, seen: Observation, told: Mapping[Type, Condition]
) -> tuple[str, str] | None:
    """Return why somebody has to act, or None."""
    for kind, reason in _PROBLEM_REASONS.items():
        if isinstance(seen.problem, kind):
            return reason, str(seen.problem)
    secret = seen.secret
    if not secret.is_synced and secret.reason not in _PASSING_SECRET_REASONS:
        return secret.reason, secret.message
    migration = told.get(Type.MIGRATION_SUCCEEDED)
    if migration is not None and migration.status is False:
        return migration.reason, migration.message
    return _what_stalls_the_rollout(resource, seen)


def _what_stalls_the_rollout(resource: CartService, seen: Observation) -> tuple[Reason, str] | None:
    deployment = seen.deployment
    if deployment is None or _serves_as_declared(resource, deployment):
        return None
    if trouble := rollout.pod_trouble(deployment, seen.pods):
        return trouble
    progressing = rollout.condition(deployment, "Progressing")
    is_late = progressing.get("reason") == "ProgressDeadlineExceeded"
    if is_late and rollout.is_observed(deployment):
        why = rollout.hindrance(deployment, seen.pods) or "see its pods"
        return Reason.ROLLOUT_FAILED, f"{resource.spec.image} does not roll out: {why}"
    return None


def _what_goes_on(
    resource: CartService, seen: Observation, told: Mapping[Type, Condition]
) -> tuple[str, str] | None:
    """Return what the operator waits for, or None once all is as declared."""
    if seen.problem is not None:
        is_away = isinstance(seen.problem, errors.ClusterUnavailable)
        return Reason.CLUSTER_UNAVAILABLE if is_away else Reason.PROGRESSING, str(seen.problem)
    for kind in (Type.SECRET_SYNCED, Type.MIGRATION_SUCCEEDED):
        if kind in told and told[kind].status is not True:
            return told[kind].reason, told[kind].message
    deployment = seen.deployment
    if deployment is None:
        return Reason.NOT_CREATED, "The Deployment does not exist yet"
    if _serves_as_declared(resource, deployment):
        return None
    why = rollout.hindrance(deployment, seen.pods)
    because = f"; {why}" if why else ""
    if rollout.is_complete(deployment):
        return Reason.UNAVAILABLE, f"{told[Type.DEPLOYMENT_AVAILABLE].message}{because}"
    updated = deployment.get("status", {}).get("updatedReplicas", 0)
    return Reason.ROLLING_OUT, (
        f"Rolling out {resource.spec.image}: {updated} of {_pods(rollout.wanted(deployment))}"
        f" updated, {rollout.available(deployment)} available{because}"
    )


def _serves_as_declared(resource: CartService, deployment: Mapping[str, Any]) -> bool:
    return rollout.is_complete(deployment) and _enough_serve(resource, deployment)


def _figures(resource: CartService, seen: Observation) -> dict[str, Any]:
    selector = names.selector_labels(resource.name)
    figures: dict[str, Any] = {
        "selector": ",".join(f"{key}={value}" for key, value in selector.items()),
        "url": url(resource),
        "replicas": 0,
        "readyReplicas": 0,
    }
    if seen.deployment is not None:
        live = seen.deployment.get("status", {})
        figures["replicas"] = live.get("replicas", 0)
        figures["readyReplicas"] = live.get("readyReplicas", 0)
        containers = seen.deployment["spec"]["template"]["spec"]["containers"]
        figures["image"] = containers[0]["image"]
    if seen.credentials is not None:
        figures["database"] = {
            "secretVersionId": seen.credentials.version_id,
            "secretChangedAt": seen.credentials.changed_at,
        }
    return figures


def _pods(count: int) -> str:
    return "1 pod" if count == 1 else f"{count} pods"
