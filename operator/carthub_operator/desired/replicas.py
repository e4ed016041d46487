"""Who decides the number of pods, and the one manifest that says it.

`replicas` has a field manager of its own: letting go of a field that one owns alone resets it
(a Deployment falls to one pod), so it is only ever applied, never dropped from a larger manifest.
"""

from carthub_operator.api import names
from carthub_operator.api.resource import CartService
from carthub_operator.desired.facts import Manifest


def replicas(
    resource: CartService, *, exists: bool, is_at_our_zero: bool = False
) -> Manifest | None:
    """Return what to apply as the replicas' field manager, or None while they are not ours.

    With autoscaling they are ours only at creation, when a Deployment would start with one pod,
    and while it has none because we said so: the autoscaler leaves 0 alone
    (kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale, implicit deactivation).
    """
    scaling = resource.spec.autoscaling
    if scaling.enabled and exists and not is_at_our_zero:
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
