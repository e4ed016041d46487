"""The definitions that the Prometheus operator brings to a cluster, as far as we use them."""

from typing import Any


def _definition(kind: str, schema: dict[str, Any]) -> dict[str, Any]:
    singular = kind.lower()
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{singular}s.monitoring.coreos.com"},
        "spec": {
            "group": "monitoring.coreos.com",
            "scope": "Namespaced",
            "names": {
                "kind": kind,
                "listKind": f"{kind}List",
                "plural": f"{singular}s",
                "singular": singular,
            },
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": schema},
                }
            ],
        },
    }


DEFINITION = _definition(
    "ServiceMonitor",
    {
        "type": "object",
        "properties": {"spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
    },
)

_TEXTS = {"type": "object", "additionalProperties": {"type": "string"}}
_TEXT = {"type": "string"}
_RULE = {
    "type": "object",
    "required": ["expr"],
    "properties": {
        **dict.fromkeys(("alert", "record", "for", "keep_firing_for"), _TEXT),
        "expr": {
            "anyOf": [{"type": "integer"}, _TEXT],
            "x-kubernetes-int-or-string": True,
        },
        "labels": _TEXTS,
        "annotations": _TEXTS,
    },
}
RULES_DEFINITION = _definition(
    "PrometheusRule",
    {
        "type": "object",
        "required": ["spec"],
        "properties": {
            "spec": {
                "type": "object",
                "properties": {
                    "groups": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "required": ["name"],
                            "properties": {
                                **dict.fromkeys(("name", "interval"), _TEXT),
                                "rules": {"type": "array", "items": _RULE},
                            },
                        },
                    }
                },
            }
        },
    },
)
