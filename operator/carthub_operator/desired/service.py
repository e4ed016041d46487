"""The Service: one name and address for the API's pods."""

from carthub_operator.api import names
from carthub_operator.api.resource import CartService
from carthub_operator.desired.facts import Manifest


def service(resource: CartService) -> Manifest:
    """Return the Service."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": resource.metadata(names.service(resource.name)),
        "spec": {
            "type": "ClusterIP",
            "selector": names.selector_labels(resource.name),
            "ports": [
                {
                    "name": names.PORT_NAME,
                    "port": names.SERVICE_PORT,
                    "targetPort": names.PORT_NAME,
                    "protocol": "TCP",
                },
                # For Prometheus; the network policy says who may.
                {
                    "name": names.METRICS_PORT_NAME,
                    "port": names.METRICS_PORT,
                    "targetPort": names.METRICS_PORT_NAME,
                    "protocol": "TCP",
                },
            ],
        },
    }


def url(resource: CartService) -> str:
    """Return where the API answers inside the cluster."""
    return f"http://{names.service(resource.name)}.{resource.namespace}.svc"
