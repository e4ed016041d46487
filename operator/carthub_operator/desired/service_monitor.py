"""The ServiceMonitor, by which a Prometheus of the Prometheus operator finds the metrics."""

from carthub_operator.api import names
from carthub_operator.api.resource import CartService
from carthub_operator.desired.facts import Manifest


def service_monitor(resource: CartService, *, is_served: bool) -> Manifest | None:
    """Return the ServiceMonitor, or None where nobody wants one or the kind is not served."""
    monitoring = resource.spec.monitoring
    if not is_served or monitoring.service_monitor == "never":
        return None
    metadata = resource.metadata(names.service_monitor(resource.name))
    metadata["labels"] = {**monitoring.labels, **metadata["labels"]}
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "ServiceMonitor",
        "metadata": metadata,
        "spec": {
            "selector": {"matchLabels": names.selector_labels(resource.name)},
            "endpoints": [{"port": names.METRICS_PORT_NAME}],
            # On every metric: whose it is. The namespace is there already.
            "targetLabels": [names.LABEL_INSTANCE],
        },
    }
