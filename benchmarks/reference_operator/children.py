"""What a CartApp becomes: the same children as a CartService has, without the migration."""

import base64
from collections.abc import Mapping
from typing import Any

Manifest = dict[str, Any]


def children(name: str, spec: Mapping[str, Any], credentials: Mapping[str, str]) -> list[Manifest]:
    """Return the manifests, in the order in which they are made."""
    return [
        _service_account(name),
        _secret(name, credentials),
        _network_policy(name),
        _service(name),
        _disruption_budget(name),
        _deployment(name, spec),
        _autoscaler(name),
    ]


def _object(api_version: str, kind: str, name: str, app: str, **parts: object) -> Manifest:
    metadata = {"name": name, "labels": {"app": app}}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **parts}


def _service_account(name: str) -> Manifest:
    return _object("v1", "ServiceAccount", name, name)


def _secret(name: str, credentials: Mapping[str, str]) -> Manifest:
    url = "postgresql+psycopg2://{username}:{password}@{host}:{port}/{dbname}".format_map(
        credentials
    )
    texts = {
        "DATABASE_URL": url,
        "DB_USERNAME": credentials["username"],
        "DB_PASSWORD": credentials["password"],
    }
    data = {key: base64.b64encode(text.encode()).decode() for key, text in texts.items()}
    return _object("v1", "Secret", f"{name}-db", name, data=data)


def _network_policy(name: str) -> Manifest:
    spec = {
        "podSelector": {"matchLabels": {"app": name}},
        "policyTypes": ["Ingress"],
        "ingress": [{"from": [{"podSelector": {}}], "ports": [{"port": 8000}]}],
    }
    return _object(
        "networking.k8s.io/v1", "NetworkPolicy", f"{name}-network-policy", name, spec=spec
    )


def _service(name: str) -> Manifest:
    spec = {"selector": {"app": name}, "ports": [{"port": 80, "targetPort": 8000}]}
    return _object("v1", "Service", f"{name}-service", name, spec=spec)


def _disruption_budget(name: str) -> Manifest:
    spec = {"maxUnavailable": 1, "selector": {"matchLabels": {"app": name}}}
    return _object("policy/v1", "PodDisruptionBudget", f"{name}-pdb", name, spec=spec)


def _deployment(name: str, spec: Mapping[str, Any]) -> Manifest:
    container = {
        "name": "cart",
        "image": spec["image"],
        "env": [{"name": "LOG_LEVEL", "value": spec.get("logLevel", "INFO")}],
        "envFrom": [{"secretRef": {"name": f"{name}-db"}}],
        "ports": [{"containerPort": 8000}],
        "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}},
        "readinessProbe": {"httpGet": {"path": "/health", "port": 8000}},
        "livenessProbe": {"httpGet": {"path": "/health", "port": 8000}},
    }
    template = {
        "metadata": {"labels": {"app": name}},
        "spec": {"serviceAccountName": name, "containers": [container]},
    }
    return _object(
        "apps/v1",
        "Deployment",
        f"{name}-deployment",
        name,
        spec={
            "replicas": 2,
            "selector": {"matchLabels": {"app": name}},
            "template": template,
        },
    )


def _autoscaler(name: str) -> Manifest:
    target = {"type": "Utilization", "averageUtilization": 70}
    spec = {
        "scaleTargetRef": {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "name": f"{name}-deployment",
        },
        "minReplicas": 2,
        "maxReplicas": 15,
        "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
    }
    return _object("autoscaling/v2", "HorizontalPodAutoscaler", f"{name}-hpa", name, spec=spec)
