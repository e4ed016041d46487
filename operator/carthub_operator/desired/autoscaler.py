"""The HorizontalPodAutoscaler, on CPU and memory."""

from typing import Any

from carthub_operator.api import names
from carthub_operator.api.resource import CartService
from carthub_operator.desired.facts import Manifest


def autoscaler(resource: CartService) -> Manifest | None:
    """Return the autoscaler, or None while the spec fixes the replicas."""
    scaling = resource.spec.autoscaling
    if not scaling.enabled:
        return None
    spec: dict[str, Any] = {
        "scaleTargetRef": {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "name": names.deployment(resource.name),
        },
        "minReplicas": scaling.min_replicas,
        "maxReplicas": scaling.max_replicas,
        "metrics": [
            _utilization("cpu", scaling.target_cpu),
            _utilization("memory", scaling.target_memory),
        ],
    }
    if scaling.behavior:
        spec["behavior"] = scaling.behavior.manifest()
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": resource.metadata(names.autoscaler(resource.name)),
        "spec": spec,
    }


def _utilization(name: str, percent: int) -> dict[str, Any]:
    target = {"type": "Utilization", "averageUtilization": percent}
    return {"type": "Resource", "resource": {"name": name, "target": target}}
