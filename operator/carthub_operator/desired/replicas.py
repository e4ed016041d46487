"""Who decides the number of pods, and the one manifest that says it.

`replicas` has a field manager of its own: letting go of a field that one owns alone resets it
(a Deployment falls to one pod), so it is only ever applied, never dropped from a larger manifest.
"""

from carthub_operator.api import names
from carthub_operator.api.resource import CartService
from carthub_operator.desired.facts import Manifest


def replicas(resource: CartService, *, exists: bool) -> Manifest | None:
    """Return what to apply as the replicas' field manager, or None while they are not ours.

    With autoscaling they are ours only at creation: a new Deployment would start with one pod.
    """
    scaling = resource.spec.autoscaling
    if scaling.enabled and exists:
        return None
    count = scaling.min_replicas if scaling.enabled else resource.spec.replicas
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": names.deployment(resource.name),
            "namespace": resource.namespace,
        },
        "spec": {"replicas": count},
    }
