"""Specs of how many pods there are, and of what each may use."""

from typing import Any

from tests.support.corpus.refusals import Bad, by_schema


def _resources(requests: dict[str, Any], limits: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"resources": {"requests": requests, **({"limits": limits} if limits else {})}}


GOOD: dict[str, dict[str, Any]] = {
    "autoscaling off": {"autoscaling": {"enabled": False}, "replicas": 0},
    "one fewest and most": {"autoscaling": {"minReplicas": 1, "maxReplicas": 1}},
    "scaling rates": {
        "autoscaling": {
            "behavior": {
                "scaleUp": {
                    "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}],
                    "selectPolicy": "Max",
                },
                "scaleDown": {"stabilizationWindowSeconds": 0},
            }
        }
    },
    "quantities of every form": _resources(
        {"cpu": 1, "memory": "1e8", "ephemeral-storage": "0.5Gi"},
        {"cpu": "1000m", "memory": "128Mi", "ephemeral-storage": "1Gi"},
    ),
    "limits alone": {"resources": {"limits": {"cpu": "1", "memory": "1Gi"}}},
    "memory alone without autoscaling": {
        **_resources({"memory": "64Mi"}),
        "autoscaling": {"enabled": False},
    },
    "a budget": {"podDisruptionBudget": {"maxUnavailable": 3}},
    "no budget": {"podDisruptionBudget": {"enabled": False}},
}

BAD: dict[str, Bad] = {
    "a number in quotes": by_schema("spec.replicas", replicas="3"),
    "a switch for a number": by_schema("spec.replicas", replicas=True),
    "a number for a switch": by_schema("enabled", autoscaling={"enabled": 1}),
    "more fewest than most": Bad(
        {"autoscaling": {"minReplicas": 9, "maxReplicas": 4}},
        "minReplicas is above maxReplicas: raise maxReplicas or lower minReplicas",
    ),
    "more fewest than the default most": Bad(
        {"autoscaling": {"minReplicas": 16}},
        "minReplicas is above maxReplicas: raise maxReplicas or lower minReplicas",
    ),
    "no fewest": by_schema("greater than or equal to 1", autoscaling={"minReplicas": 0}),
    "a misspelt scaling direction": by_schema(
        'unknown field "spec.autoscaling.behavior.scaleUpp"',
        autoscaling={"behavior": {"scaleUpp": {}}},
    ),
    "a step beyond all measure": by_schema(
        "policies[0].value",
        autoscaling={
            "behavior": {
                "scaleUp": {
                    "policies": [{"type": "Pods", "value": 3_000_000_000, "periodSeconds": 15}]
                }
            }
        },
    ),
    "a quantity that is none": by_schema(
        "resources.requests.cpu", **_resources({"cpu": "much", "memory": "1Gi"})
    ),
    "less than nothing": by_schema(
        "resources.requests.cpu", **_resources({"cpu": "-1", "memory": "1Gi"})
    ),
    "a quantity below nothing": by_schema("requests.cpu", **_resources({"cpu": -1})),
    "a quantity beyond all measure": by_schema(
        "requests.memory", **_resources({"cpu": "1", "memory": "1e1000000"})
    ),
    "an unknown resource": by_schema(
        'unknown field "spec.resources.requests.mem"',
        **_resources({"cpu": 1, "memory": "1Gi", "mem": "1Gi"}),
    ),
    "more requested than allowed": Bad(
        _resources({"cpu": "1001m", "memory": "1Gi"}, {"cpu": 1}),
        "requests.cpu is above limits.cpu: raise the limit or lower the request",
    ),
    "autoscaling on CPU without a request": Bad(
        _resources({"memory": "1Gi"}), "give resources.requests.cpu, or leave resources out"
    ),
    "autoscaling on memory without a request": Bad(
        _resources({"cpu": "1"}), "give resources.requests.memory, or leave resources out"
    ),
    "autoscaling without any request": Bad(
        _resources({"ephemeral-storage": "1Gi"}), "give resources.requests.cpu"
    ),
}
