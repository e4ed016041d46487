"""The Deployment that runs the API's pods."""

from typing import Any

from carthub_operator.api import names
from carthub_operator.api.resource import CartService
from carthub_operator.desired import pod
from carthub_operator.desired.facts import DatabaseCredentials, Manifest, database_key

PROGRESS_DEADLINE_SECONDS = 180
# Endpoints leave load balancers a moment after a pod is told to stop; it serves meanwhile.
PRE_STOP_SECONDS = 5
GRACE_SECONDS = 45
HISTORY = 5


def deployment(
    resource: CartService, credentials: DatabaseCredentials, *, migrated: str | None
) -> Manifest:
    """Return the Deployment without `replicas`, which is not this manifest's to own.

    `migrated` is the key of the migrations that have succeeded, None where they are off.
    """
    metadata = resource.metadata(names.deployment(resource.name))
    if migrated is not None:
        metadata["annotations"] = {names.ANNOTATION_MIGRATED: migrated}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata,
        "spec": {
            "selector": {"matchLabels": names.selector_labels(resource.name)},
            "progressDeadlineSeconds": PROGRESS_DEADLINE_SECONDS,
            "revisionHistoryLimit": HISTORY,
            "strategy": {
                "type": "RollingUpdate",
                "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0},
            },
            "template": {
                "metadata": {
                    "labels": pod.labels(resource, component=names.COMPONENT_API),
                    "annotations": {
                        **resource.spec.pod_annotations,
                        names.ANNOTATION_SECRET_VERSION: credentials.version_id,
                        names.ANNOTATION_DATABASE: database_key(resource, credentials),
                    },
                },
                "spec": _pod_spec(resource),
            },
        },
    }


def _pod_spec(resource: CartService) -> dict[str, Any]:
    selector = {"matchLabels": names.selector_labels(resource.name)}
    spec = pod.pod_spec(resource, _container(resource))
    spec["terminationGracePeriodSeconds"] = GRACE_SECONDS
    spec["affinity"] = {
        "podAntiAffinity": {
            "preferredDuringSchedulingIgnoredDuringExecution": [
                {
                    "weight": 100,
                    "podAffinityTerm": {
                        "labelSelector": selector,
                        "topologyKey": "kubernetes.io/hostname",
                    },
                }
            ]
        }
    }
    if resource.spec.scheduling.topology_spread == "zone":
        spec["topologySpreadConstraints"] = [
            {
                "maxSkew": 1,
                "topologyKey": "topology.kubernetes.io/zone",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": selector,
            }
        ]
    return spec


def _container(resource: CartService) -> dict[str, Any]:
    return {
        **pod.container(resource, names.CONTAINER),
        "ports": [
            {"name": names.PORT_NAME, "containerPort": names.PORT, "protocol": "TCP"},
            {
                "name": names.METRICS_PORT_NAME,
                "containerPort": names.METRICS_PORT,
                "protocol": "TCP",
            },
        ],
        # A version that cannot reach its database never gets past this one.
        "startupProbe": _probe(names.PATH_STARTUP, period=2, failures=45),
        # Local to the pod: a database that is away must not empty the Service.
        "readinessProbe": _probe(names.PATH_READINESS, period=5, failures=2),
        "livenessProbe": _probe(names.PATH_LIVENESS, period=10, failures=3),
        "lifecycle": {"preStop": {"sleep": {"seconds": PRE_STOP_SECONDS}}},
    }


def _probe(path: str, *, period: int, failures: int) -> dict[str, Any]:
    return {
        "httpGet": {"path": path, "port": names.PORT_NAME},
        "periodSeconds": period,
        "timeoutSeconds": 3,
        "failureThreshold": failures,
    }
