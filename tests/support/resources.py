"""Builders of CartServices, facts and live objects for the operator's tests."""

from typing import Any

from carthub_operator.api import resource
from carthub_operator.api.conditions import Reason
from carthub_operator.api.resource import CartService
from carthub_operator.desired.deployment import deployment as desired_deployment
from carthub_operator.desired.facts import DatabaseCredentials, MigrationState
from carthub_operator.migration import Progress
from carthub_operator.status.observation import Observation, SecretState

IMAGE = "registry.example.com/carthub-service:1.4.0"
UID = "7c1e9f0a-0000-4000-8000-000000000001"
SECRET_ID = "prod/carthub/db"


def raw_cart_service(
    *,
    name: str = "backend",
    namespace: str = "shopping-cart",
    **spec: Any,
) -> dict[str, Any]:
    """Return a CartService as a user writes it; `spec` replaces top-level fields."""
    return {
        "apiVersion": "carthub.io/v1",
        "kind": "CartService",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "image": IMAGE,
            "database": {
                "host": "db.example.com",
                "credentials": {"secretsManager": {"secretId": SECRET_ID, "region": "eu-west-1"}},
            },
            **spec,
        },
    }


def without_nones(raw: dict[str, Any]) -> dict[str, Any]:
    """Return a resource without those top-level fields of its spec that are None."""
    kept = {key: value for key, value in raw["spec"].items() if value is not None}
    return {**raw, "spec": kept}


def cart_service(
    *,
    generation: int = 1,
    annotations: dict[str, str] | None = None,
    status: dict[str, Any] | None = None,
    **spec: Any,
) -> CartService:
    """Return the same as the operator sees it."""
    raw = raw_cart_service(**spec)
    raw["metadata"] |= {"uid": UID, "generation": generation, "annotations": annotations or {}}
    raw["status"] = status or {"observedGeneration": -1}
    return resource.parse(raw)


def database(**changed: object) -> dict[str, Any]:
    """Return the builder's spec.database with fields replaced."""
    spec: dict[str, Any] = raw_cart_service()["spec"]["database"]
    return {**spec, **changed}


def credentials(**changed: Any) -> DatabaseCredentials:
    """Return complete credentials, with characters that a URL must escape."""
    values: dict[str, Any] = {
        "username": "carthub_app",
        "password": "p@ss/w:rd",
        "host": "db.example.com",
        "port": 5432,
        "database": "carthub",
        "version_id": "v1",
        "changed_at": "2026-01-02T03:04:05Z",
        "origin": "0a1b2c3d4e",
    }
    return DatabaseCredentials(**{**values, **changed})


def deployment(
    *,
    replicas: int = 2,
    updated: int | None = None,
    available: int | None = None,
    generation: int = 1,
    observed: int | None = None,
    progressing: str | None = None,
) -> dict[str, Any]:
    """Return a live Deployment whose rollout has got that far; left out: to its end."""
    updated = replicas if updated is None else updated
    available = replicas if available is None else available
    is_done = updated == replicas == available
    reason = progressing or ("NewReplicaSetAvailable" if is_done else "ReplicaSetUpdated")
    wanted = desired_deployment(cart_service(), credentials(), migrated="k")
    return {
        "metadata": {"name": wanted["metadata"]["name"], "generation": generation},
        "spec": {**wanted["spec"], "replicas": replicas},
        "status": {
            "observedGeneration": generation if observed is None else observed,
            "replicas": replicas,
            "updatedReplicas": updated,
            "readyReplicas": available,
            "availableReplicas": available,
            "conditions": [
                # As the controller has it with maxUnavailable 0.
                {"type": "Available", "status": str(available >= replicas)},
                {
                    "type": "Progressing",
                    "status": str(reason != "ProgressDeadlineExceeded"),
                    "reason": reason,
                },
            ],
        },
    }


def pod(
    *,
    name: str = "backend-deployment-1",
    image: str = IMAGE,
    container: dict[str, Any] | None = None,
    conditions: tuple[dict[str, Any], ...] = (),
    **metadata: object,
) -> dict[str, Any]:
    """Return a live pod of the builder's Deployment; `container` is its container's status."""
    template = deployment()["spec"]["template"]
    (declared,) = template["spec"]["containers"]
    return {
        "metadata": {"name": name, **template["metadata"], **metadata},
        "spec": {**template["spec"], "containers": [{**declared, "image": image}]},
        "status": {
            "conditions": list(conditions),
            "containerStatuses": [{"name": declared["name"], "image": image, **(container or {})}],
        },
    }


def observation(**changed: Any) -> Observation:
    """Return what is seen of a CartService that serves as declared."""
    values: dict[str, Any] = {
        "deployment": deployment(),
        "autoscaler": {"status": {"conditions": [{"type": "ScalingActive", "status": "True"}]}},
        "pods": (),
        "secret": SecretState(is_synced=True, reason=Reason.SYNCED, message="version v1"),
        "credentials": credentials(),
        "stored": changed.get("credentials", credentials()),
        "migration": Progress(MigrationState.SUCCEEDED),
    }
    return Observation(**{**values, **changed})
