"""What the platform applies so that a first cart runs: pure functions to Kubernetes objects."""

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

NAMESPACE = "shopping-cart"
OPERATOR_NAMESPACE = "carthub-system"
NAME = "backend"
SECRET_ID = "prod/carthub/db"  # noqa: S105 - the name of a secret, not its value
CA_CONFIG_MAP = "database-ca"
CA_KEY = "ca.pem"


@dataclass(frozen=True)
class DatabaseFacts:
    """Where the database is, and what its clients must trust."""

    host: str
    address: str
    port: int
    name: str
    authority: str


def namespace(name: str = NAMESPACE) -> dict[str, Any]:
    """Return a namespace that admits only pods of the strictest Pod Security level."""
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": name, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}},
    }


def database_authority(authority: str, name: str = NAMESPACE) -> dict[str, Any]:
    """Return the ConfigMap with what the database's clients must trust."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": CA_CONFIG_MAP, "namespace": name},
        "data": {CA_KEY: authority},
    }


def cart_service(image: str, database: DatabaseFacts, *, region: str) -> dict[str, Any]:
    """Return the CartService of the demonstration: production settings, one image of our own."""
    return {
        "apiVersion": "carthub.io/v1",
        "kind": "CartService",
        "metadata": {"name": NAME, "namespace": NAMESPACE},
        "spec": {
            "image": image,
            "environment": "production",
            "database": {
                "ca": {"configMap": {"name": CA_CONFIG_MAP, "key": CA_KEY}},
                "cidrs": [f"{database.address}/32"],
                "port": database.port,
                "credentials": {"secretsManager": {"secretId": SECRET_ID, "region": region}},
            },
        },
    }


def secret_value(user: str, password: str, database: DatabaseFacts) -> dict[str, object]:
    """Return the value of the secret, with the keys that Amazon RDS writes."""
    return {
        "engine": "postgres",
        "username": user,
        "password": password,
        "host": database.host,
        "port": database.port,
        "dbname": database.name,
    }


def operator_environment(aws: Mapping[str, str]) -> dict[str, str]:
    """Return the operator's variables on this platform: where AWS is, and whom it serves."""
    return {
        **aws,
        "CARTHUB_SECRET_ALLOW_LIST": json.dumps({NAMESPACE: ["prod/carthub/*"]}),
    }


def with_environment(
    objects: list[dict[str, Any]], environment: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Return the objects with these variables in every container of every Deployment."""
    changed = copy.deepcopy(objects)
    for item in changed:
        if item["kind"] == "Deployment":
            for container in item["spec"]["template"]["spec"]["containers"]:
                kept = [e for e in container.get("env", []) if e["name"] not in environment]
                added = [{"name": key, "value": environment[key]} for key in sorted(environment)]
                container["env"] = kept + added
    return changed
