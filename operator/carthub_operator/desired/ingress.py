"""The Ingress: the way in from outside the cluster."""

from typing import Any, Final

from carthub_operator.api import names
from carthub_operator.api.resource import CartService
from carthub_operator.desired.facts import Manifest

ALB: Final = "alb"
# Without the first an ALB needs a NodePort Service; its own check would ask for "/".
_ALB_ANNOTATIONS: Final = {
    "alb.ingress.kubernetes.io/target-type": "ip",
    "alb.ingress.kubernetes.io/healthcheck-path": names.PATH_READINESS,
}


def ingress(resource: CartService) -> Manifest | None:
    """Return the Ingress, or None where the spec wants none."""
    wanted = resource.spec.ingress
    if not wanted.enabled:
        return None
    metadata = resource.metadata(names.ingress(resource.name))
    defaults = _ALB_ANNOTATIONS if wanted.class_name == ALB else {}
    if annotations := {**defaults, **wanted.annotations}:
        metadata["annotations"] = annotations
    backend = {"service": {"name": names.service(resource.name), "port": {"name": names.PORT_NAME}}}
    rule: dict[str, Any] = {
        "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}
    }
    if wanted.host:
        rule["host"] = wanted.host
    spec: dict[str, Any] = {"ingressClassName": wanted.class_name, "rules": [rule]}
    if wanted.tls:
        spec["tls"] = [{"hosts": [wanted.host], "secretName": wanted.tls.secret_name}]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": metadata,
        "spec": spec,
    }
