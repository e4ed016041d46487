"""The verdict over all parts: Ready, Reconciling, Stalled."""

from collections.abc import Iterable, Mapping

from carthub_operator import errors, rollout
from carthub_operator.api.conditions import Condition, Reason, Type
from carthub_operator.api.resource import CartService
from carthub_operator.status.observation import Observation, pods, serves_as_declared

_PROBLEM_REASONS: Mapping[type[errors.CarthubError], Reason] = {
    errors.InvalidSpec: Reason.INVALID_SPEC,
    errors.NameTaken: Reason.NAME_CONFLICT,
    errors.Forbidden: Reason.FORBIDDEN,
    errors.Rejected: Reason.REJECTED,
    errors.ClusterUnavailable: Reason.CLUSTER_UNAVAILABLE,
}
# These pass by themselves.
_PASSING_SECRET_REASONS = frozenset({Reason.PENDING, Reason.SECRET_SOURCE_UNAVAILABLE})


def verdict(
    resource: CartService, seen: Observation, features: Iterable[Condition]
) -> list[Condition]:
    """Return Ready, Reconciling and Stalled, from what was seen and the parts' conditions."""
    told = {feature.type: feature for feature in features}
    if stalled := _what_stalls(resource, seen, told):
        return _stalled(*stalled)
    if going_on := _what_goes_on(resource, seen, told):
        return _going_on(*going_on)
    return [
        Condition(Type.READY, True, Reason.READY, f"{resource.spec.image} serves"),
        Condition(Type.RECONCILING, False, Reason.IDLE, "Everything is as declared"),
        Condition(Type.STALLED, False, Reason.IDLE, "Nothing needs a person"),
    ]


def suspended(
    resource: CartService, seen: Observation, features: Iterable[Condition]
) -> list[Condition]:
    """Return the same while suspended: Ready stays as it was told before."""
    message = "spec.suspend is true: the operator leaves the children as they are"
    ready = verdict(resource, seen, features)[0]
    if seen.has_pending_changes:
        changed = (
            "The spec, the credentials or a child has changed while suspended; set spec.suspend to"
            " false to carry it out"
        )
        ready = Condition(Type.READY, None, Reason.SUSPENDED, changed)
    else:
        for old in resource.status.get("conditions", ()):
            # A change that was taken back leaves nothing of what was told of it.
            if old["type"] == Type.READY and old["reason"] != Reason.SUSPENDED:
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
    if seen.problem is not None and not isinstance(seen.problem, errors.Passing):
        return reason_of(seen.problem), str(seen.problem)
    secret = seen.secret
    if not secret.is_synced and secret.reason not in _PASSING_SECRET_REASONS:
        return secret.reason, secret.message
    migration = told.get(Type.MIGRATION_SUCCEEDED)
    if migration is not None and (migration.status is False or seen.migration.trouble):
        return migration.reason, migration.message
    return _what_stalls_the_rollout(resource, seen)


def _what_stalls_the_rollout(resource: CartService, seen: Observation) -> tuple[Reason, str] | None:
    deployment = seen.deployment
    if deployment is None or serves_as_declared(resource, deployment):
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
        return reason_of(seen.problem), str(seen.problem)
    for kind in (Type.SECRET_SYNCED, Type.MIGRATION_SUCCEEDED):
        if kind in told and told[kind].status is not True:
            return told[kind].reason, told[kind].message
    deployment = seen.deployment
    if deployment is None:
        return Reason.NOT_CREATED, "The Deployment does not exist yet"
    if serves_as_declared(resource, deployment):
        return None
    why = rollout.hindrance(deployment, seen.pods)
    because = f"; {why}" if why else ""
    if rollout.is_complete(deployment):
        return Reason.UNAVAILABLE, f"{told[Type.DEPLOYMENT_AVAILABLE].message}{because}"
    updated = deployment.get("status", {}).get("updatedReplicas", 0)
    return Reason.ROLLING_OUT, (
        f"Rolling out {resource.spec.image}: {updated} of {pods(rollout.wanted(deployment))}"
        f" updated, {rollout.available(deployment)} available{because}"
    )


def of_problem(problem: errors.CarthubError) -> list[Condition]:
    """Return the same where nothing could be seen but a problem."""
    reason, message = reason_of(problem), str(problem)
    if isinstance(problem, errors.Passing):
        return _going_on(reason, message)
    return _stalled(reason, message)


def reason_of(problem: errors.CarthubError) -> Reason:
    """Return the reason that names a problem."""
    for kind, reason in _PROBLEM_REASONS.items():
        if isinstance(problem, kind):
            return reason
    return Reason.PROGRESSING


def _stalled(reason: str, message: str) -> list[Condition]:
    return [
        Condition(Type.READY, False, reason, message),
        Condition(Type.RECONCILING, False, reason, "Waiting for somebody to act"),
        Condition(Type.STALLED, True, reason, message),
    ]


def _going_on(reason: str, message: str) -> list[Condition]:
    return [
        Condition(Type.READY, False, reason, message),
        Condition(Type.RECONCILING, True, reason, message),
        Condition(Type.STALLED, False, Reason.PROGRESSING, "Nothing needs a person"),
    ]
