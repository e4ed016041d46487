"""Children as they are compared: with what the operator decides, without what is by chance.

Left out are ids, versions, the replicas while an autoscaler has them, and finished Jobs.
"""

from collections.abc import Mapping
from typing import Any

from carthub_operator.api import names
from tests.support.live_cart import CHILDREN, LiveCart

# Every child that has one name, with those that only some specs ask for.
NAMES = {**CHILDREN, "Ingress": "backend-ingress"}

_BY_CHANCE = frozenset({"clusterIP", "clusterIPs", "status", "uid", "resourceVersion"})
_VERSIONS = frozenset(
    {
        names.ANNOTATION_SECRET_VERSION,
        names.ANNOTATION_SECRET_CHANGED_AT,
        names.ANNOTATION_SECRET_ORIGIN,
        names.ANNOTATION_SYNCED,
        names.LABEL_OWNER_UID,
        "deployment.kubernetes.io/revision",
    }
)


def children(cart: LiveCart) -> dict[str, Any]:
    """Return what there is of each kind of child, None where there is none."""
    found = {kind: cart.get(kind, name) for kind, name in NAMES.items()}
    is_scaled = found["HorizontalPodAutoscaler"] is not None
    return {
        kind: None if live is None else _likeness(live, namespace=cart.namespace, scaled=is_scaled)
        for kind, live in found.items()
    }


def _likeness(live: Mapping[str, Any], *, namespace: str, scaled: bool) -> Any:
    metadata = live["metadata"]
    kept = {
        "labels": metadata.get("labels"),
        "annotations": metadata.get("annotations"),
        "owners": [(one["kind"], one["name"]) for one in metadata.get("ownerReferences", ())],
    }
    body = {key: one for key, one in live.items() if key != "metadata"}
    if scaled and live["kind"] == "Deployment":
        body["spec"] = {key: one for key, one in body["spec"].items() if key != "replicas"}
    return _without_chance({**body, "metadata": kept}, namespace)


def _without_chance(value: Any, namespace: str) -> Any:
    if isinstance(value, dict):
        kept = {
            key: _without_chance(one, namespace)
            for key, one in value.items()
            if key not in _BY_CHANCE | _VERSIONS
        }
        return {key: one for key, one in kept.items() if one not in ({}, None)}
    if isinstance(value, list):
        return [_without_chance(one, namespace) for one in value]
    return value.replace(namespace, "NAMESPACE") if isinstance(value, str) else value
