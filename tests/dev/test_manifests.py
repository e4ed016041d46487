from typing import Any

from carthub_dev import manifests
from carthub_dev.manifests import DatabaseFacts

DATABASE = DatabaseFacts(
    host="database.test", address="10.200.0.1", port=5432, name="carthub", authority="PEM"
)


def _deployment(environment: list[dict[str, str]]) -> dict[str, Any]:
    container = {"name": "operator", "env": environment}
    return {"kind": "Deployment", "spec": {"template": {"spec": {"containers": [container]}}}}


def test_the_secret_has_the_keys_that_rds_writes() -> None:
    assert manifests.secret_value("blue", "word", DATABASE) == {
        "engine": "postgres",
        "username": "blue",
        "password": "word",
        "host": "database.test",
        "port": 5432,
        "dbname": "carthub",
    }


def test_the_cart_service_verifies_the_database() -> None:
    spec = manifests.cart_service("carthub-service:dev", DATABASE, region="eu-west-1")["spec"]

    assert spec["image"] == "carthub-service:dev"
    assert spec["database"] == {
        "ca": {"configMap": {"name": "database-ca", "key": "ca.pem"}},
        "cidrs": ["10.200.0.1/32"],
        "port": 5432,
        "credentials": {
            "secretsManager": {"secretId": "prod/carthub/db", "region": "eu-west-1"},
        },
    }


def test_variables_are_added_and_replaced_in_deployments_only() -> None:
    given = [{"name": "A", "value": "old"}, {"name": "B", "value": "kept"}]
    objects = [_deployment(given), {"kind": "Service"}]

    changed = manifests.with_environment(objects, {"A": "new", "C": "added"})

    assert changed == [
        _deployment(
            [
                {"name": "B", "value": "kept"},
                {"name": "A", "value": "new"},
                {"name": "C", "value": "added"},
            ]
        ),
        {"kind": "Service"},
    ]
    assert objects == [_deployment(given), {"kind": "Service"}]
