"""The conditions of the parts: secret, Deployment, migrations, autoscaler."""

from collections.abc import Mapping
from typing import Any

from carthub_operator import rollout
from carthub_operator.api import names
from carthub_operator.api.conditions import Condition, Reason, Type
from carthub_operator.api.resource import CartService
from carthub_operator.desired.facts import MigrationState, migration_key
from carthub_operator.status.observation import Observation, enough_serve, pods


def features(resource: CartService, seen: Observation) -> list[Condition]:
    """Return the conditions of what a CartService stands on, each by itself."""
    conditions = [
        _secret(resource, seen),
        _available(resource, seen.deployment),
    ]
    if resource.spec.database.migrations.enabled:
        conditions.append(_migration(resource, seen))
    if resource.spec.autoscaling.enabled:
        conditions.append(_autoscaling(resource, seen))
    return conditions


def _secret(resource: CartService, seen: Observation) -> Condition:
    kind, credentials, secret = Type.SECRET_SYNCED, seen.credentials, seen.secret
    is_written = credentials is not None and credentials.is_same_value(seen.stored)
    if resource.spec.suspend and secret.is_synced and credentials and not is_written:
        message = f"Version {credentials.version_id} is not in the Secret yet: suspended"
        return Condition(kind, None, Reason.SUSPENDED, message)
    return Condition(kind, secret.is_synced, secret.reason, secret.message)


def _available(resource: CartService, deployment: Mapping[str, Any] | None) -> Condition:
    kind = Type.DEPLOYMENT_AVAILABLE
    if deployment is None:
        return Condition(kind, False, Reason.NOT_CREATED, "The Deployment does not exist yet")
    if _is_switched_off(resource, deployment):
        return Condition(kind, False, Reason.UNAVAILABLE, _switched_off(resource))
    message = f"{rollout.available(deployment)} of {pods(rollout.wanted(deployment))} serving"
    if enough_serve(resource, deployment):
        return Condition(kind, True, Reason.AVAILABLE, message)
    return Condition(kind, False, Reason.UNAVAILABLE, message)


def _migration(resource: CartService, seen: Observation) -> Condition:
    kind, image, progress = Type.MIGRATION_SUCCEEDED, resource.spec.image, seen.migration
    if progress.state is MigrationState.SUCCEEDED:
        return Condition(kind, True, Reason.MIGRATED, f"The schema serves {image}")
    if seen.credentials is None:
        return Condition(kind, None, Reason.PENDING, "Waiting for the database credentials")
    job = names.migration_job(resource.name, migration_key(resource, seen.credentials))
    if progress.state is MigrationState.FAILED:
        serving = " The version before goes on serving." if seen.deployment else ""
        why = progress.message or f"see `kubectl logs job/{job}`"
        return Condition(
            kind,
            False,
            Reason.MIGRATION_FAILED,
            f"Migrations of {image} failed: {why}.{serving} Mend the"
            f" cause and `kubectl delete job {job}` to try again, or set another image",
        )
    if resource.spec.suspend:
        return Condition(kind, None, Reason.SUSPENDED, f"Not migrated for {image} yet: suspended")
    if progress.trouble is not None:
        return Condition(kind, None, *progress.trouble)
    why = f"; {progress.message}" if progress.message else ""
    doing = f"Job {job} migrates the schema for {image}{why}"
    return Condition(kind, None, Reason.MIGRATING, doing)


def _autoscaling(resource: CartService, seen: Observation) -> Condition:
    kind = Type.AUTOSCALING_READY
    if seen.deployment is not None and _is_switched_off(resource, seen.deployment):
        return Condition(kind, False, Reason.UNAVAILABLE, _switched_off(resource))
    active = rollout.condition(seen.autoscaler, "ScalingActive") if seen.autoscaler else {}
    if active.get("status") == "True":
        return Condition(kind, True, Reason.SCALING, "The autoscaler reads its metrics")
    if active.get("status") == "False":
        return Condition(
            kind, False, Reason.METRICS_UNAVAILABLE, active.get("message", "no metrics")
        )
    return Condition(kind, None, Reason.PENDING, "The autoscaler has not read metrics yet")


def _is_switched_off(resource: CartService, deployment: Mapping[str, Any]) -> bool:
    return resource.spec.autoscaling.enabled and rollout.wanted(deployment) == 0


def _switched_off(resource: CartService) -> str:
    least = resource.spec.autoscaling.min_replicas
    return (
        "Somebody has scaled it to 0 pods, which the autoscaler leaves alone: `kubectl scale"
        f" deployment {names.deployment(resource.name)} --replicas={least}` starts it again"
    )
