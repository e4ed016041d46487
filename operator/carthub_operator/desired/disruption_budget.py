"""The PodDisruptionBudget: a drain takes the pods one after the other."""

from carthub_operator.api import names
from carthub_operator.api.resource import CartService
from carthub_operator.desired.facts import Manifest


def disruption_budget(resource: CartService) -> Manifest | None:
    """Return the budget, or None where the spec wants none.

    `maxUnavailable` never blocks a drain for good, as `minAvailable` does with one pod.
    """
    budget = resource.spec.pod_disruption_budget
    if not budget.enabled:
        return None
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": resource.metadata(names.disruption_budget(resource.name)),
        "spec": {
            "maxUnavailable": budget.max_unavailable,
            "selector": {"matchLabels": names.selector_labels(resource.name)},
        },
    }
