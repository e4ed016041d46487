"""What the operator says of a CartService: pure, from the resource and what was seen.

Read by people in `kubectl describe`, and by tools that follow kstatus: Stalled=True means that
somebody has to act, Reconciling=True that it goes on by itself, neither and Ready=True done.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from carthub_operator import errors
from carthub_operator.api import names
from carthub_operator.api.conditions import Condition, Reason, Type, merged
from carthub_operator.api.resource import CartService
from carthub_operator.desired.facts import DatabaseCredentials, MigrationState
from carthub_operator.desired.service import url

_PROBLEM_REASONS: dict[type[errors.CarthubError], Reason] = {
    errors.InvalidSpec: Reason.INVALID_SPEC,
    errors.Conflict: Reason.NAME_CONFLICT,
    errors.Forbidden: Reason.FORBIDDEN,
    errors.Rejected: Reason.REJECTED,
}
_IMAGE_PULL_REASONS = frozenset(
    {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"}
)


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
    known = _feature_conditions(resource, observation)
    if resource.spec.suspend:
        known += _suspended(observation, previous)
        if observation.has_pending_changes:
            generation = previous.get("observedGeneration", -1)
    else:
        known += _summary(resource, observation, known)
    return {
        "observedGeneration": generation,
        "conditions": merged(
            known,
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
    return {**previous, "observedGeneration": generation, "conditions": kept + summary}


def _feature_conditions(resource: CartService, seen: Observation) -> list[Condition]:
    secret = seen.secret
    conditions = [
        Condition(Type.SECRET_SYNCED, secret.is_synced, secret.reason, secret.message),
        _available(seen.deployment),
    ]
    if resource.spec.database.migrations.enabled:
        conditions.append(_migration(resource, seen))
    if resource.spec.autoscaling.enabled:
        conditions.append(_autoscaling(seen.autoscaler))
    return conditions


def _available(deployment: Mapping[str, Any] | None) -> Condition:
    kind = Type.DEPLOYMENT_AVAILABLE
    if deployment is None:
        return Condition(kind, False, Reason.NOT_CREATED, "The Deployment does not exist yet")
    told = _condition_of(deployment, "Available")
    ready = deployment.get("status", {}).get("readyReplicas", 0)
    if told.get("status") == "True":
        return Condition(kind, True, Reason.AVAILABLE, f"{_pods(ready)} serving")
    wanted = deployment["spec"].get("replicas", 1)
    return Condition(kind, False, Reason.UNAVAILABLE, f"{ready} of {wanted} pods serve")


def _migration(resource: CartService, seen: Observation) -> Condition:
    kind, image = Type.MIGRATION_SUCCEEDED, resource.spec.image
    if seen.migration is MigrationState.SUCCEEDED:
        return Condition(kind, True, Reason.MIGRATED, f"The schema serves {image}")
    if seen.migration is MigrationState.FAILED:
        why = seen.migration_message or "see the logs of the Job's pods"
        return Condition(
            kind,
            False,
            Reason.MIGRATION_FAILED,
            f"Migrations of {image} failed: {why}. The version before goes on serving; mend the"
            " cause and delete the Job to try again, or set another image",
        )
    if seen.credentials is None:
        return Condition(kind, None, Reason.PENDING, "Waiting for the database credentials")
    return Condition(kind, None, Reason.MIGRATING, f"Migrating the schema for {image}")


def _autoscaling(autoscaler: Mapping[str, Any] | None) -> Condition:
    kind = Type.AUTOSCALING_READY
    active = _condition_of(autoscaler, "ScalingActive") if autoscaler else {}
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
    stalled = _what_stalls(seen)
    if stalled is not None:
        reason, message = stalled
        return [
            Condition(Type.READY, False, reason, message),
            Condition(Type.RECONCILING, False, reason, "Waiting for somebody to act"),
            Condition(Type.STALLED, True, reason, message),
        ]
    going_on = _what_goes_on(resource, seen, features)
    if going_on is not None:
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
    still = Condition(Type.RECONCILING, False, Reason.SUSPENDED, message)
    fine = Condition(Type.STALLED, False, Reason.SUSPENDED, message)
    if seen.has_pending_changes:
        changed = "The spec has changed while suspended; set spec.suspend to false to roll it out"
        return [Condition(Type.READY, None, Reason.SUSPENDED, changed), still, fine]
    for old in previous.get("conditions", ()):
        if old["type"] == Type.READY:
            status = {"True": True, "False": False}.get(old["status"])
            ready = Condition(Type.READY, status, Reason(old["reason"]), old["message"])
            return [ready, still, fine]
    return [Condition(Type.READY, None, Reason.SUSPENDED, message), still, fine]


def _what_stalls(seen: Observation) -> tuple[Reason, str] | None:
    """Return why somebody has to act, or None."""
    for kind, reason in _PROBLEM_REASONS.items():
        if isinstance(seen.problem, kind):
            return reason, str(seen.problem)
    secret = seen.secret
    if not secret.is_synced and secret.reason not in (
        Reason.PENDING,
        Reason.SECRET_SOURCE_UNAVAILABLE,
    ):
        return secret.reason, secret.message
    if seen.migration is MigrationState.FAILED:
        why = seen.migration_message or "see the logs of the Job's pods"
        return Reason.MIGRATION_FAILED, f"The migrations failed: {why}"
    if trouble := _pod_trouble(seen.pods):
        return trouble
    progressing = _condition_of(seen.deployment, "Progressing") if seen.deployment else {}
    if progressing.get("reason") == "ProgressDeadlineExceeded":
        return Reason.ROLLOUT_FAILED, progressing.get("message", "the rollout made no progress")
    return None


def _what_goes_on(
    resource: CartService, seen: Observation, features: Iterable[Condition]
) -> tuple[Reason, str] | None:
    """Return what the operator waits for, or None once all is as declared."""
    if seen.problem is not None:
        return Reason.CLUSTER_UNAVAILABLE, str(seen.problem)
    for condition in features:
        must = condition.type in {Type.SECRET_SYNCED, Type.MIGRATION_SUCCEEDED}
        if must and condition.status is not True:
            return condition.reason, condition.message
    if seen.deployment is None:
        return Reason.NOT_CREATED, "The Deployment does not exist yet"
    if not _is_rolled_out(seen.deployment):
        live = seen.deployment.get("status", {})
        updated, wanted = live.get("updatedReplicas", 0), seen.deployment["spec"].get("replicas", 1)
        return (
            Reason.ROLLING_OUT,
            (
                f"Rolling out {resource.spec.image}: {updated} of {_pods(wanted)} updated,"
                f" {live.get('availableReplicas', 0)} available"
            ),
        )
    return None


def _is_rolled_out(deployment: Mapping[str, Any]) -> bool:
    live = deployment.get("status", {})
    return (
        live.get("observedGeneration", -1) >= deployment["metadata"]["generation"]
        and live.get("updatedReplicas", 0) == live.get("replicas", 0)
        # Stays while the autoscaler moves the count: new pods are no rollout.
        and _condition_of(deployment, "Progressing").get("reason") == "NewReplicaSetAvailable"
        and _condition_of(deployment, "Available").get("status") == "True"
    )


def _pod_trouble(pods: Iterable[Mapping[str, Any]]) -> tuple[Reason, str] | None:
    for pod in pods:
        for container in pod.get("status", {}).get("containerStatuses", ()):
            waiting = container.get("state", {}).get("waiting") or {}
            why, name = waiting.get("reason"), pod["metadata"]["name"]
            image = container.get("image", "its image")
            if why in _IMAGE_PULL_REASONS:
                return (
                    Reason.IMAGE_PULL_FAILED,
                    (
                        f"Pod {name} cannot pull {image} ({why}): correct spec.image"
                        " or spec.imagePullSecrets"
                    ),
                )
            if why == "CrashLoopBackOff":
                ended = container.get("lastState", {}).get("terminated") or {}
                code = ended.get("exitCode", "unknown")
                return (
                    Reason.CRASH_LOOP,
                    (
                        f"Pod {name} ends again and again (exit code {code}): see"
                        f" `kubectl logs {name} --previous`"
                    ),
                )
    return None


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


def _condition_of(live: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    conditions = live.get("status", {}).get("conditions", ())
    return next((c for c in conditions if c["type"] == kind), {})


def _pods(count: int) -> str:
    return "1 pod" if count == 1 else f"{count} pods"
