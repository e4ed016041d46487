import base64
from typing import Any
from urllib.parse import unquote

import pytest
import sqlalchemy

from carthub_operator.desired.autoscaler import autoscaler
from carthub_operator.desired.database_secret import database_secret
from carthub_operator.desired.disruption_budget import disruption_budget
from carthub_operator.desired.network_policy import network_policy
from carthub_operator.desired.service import service
from carthub_operator.desired.service_account import service_account
from tests.support.resources import cart_service, credentials, database


def _secret(password: str, **spec: Any) -> dict[str, str]:
    made = database_secret(cart_service(**spec), credentials(password=password), synced=None)
    return {key: base64.b64decode(text).decode() for key, text in made["data"].items()}


@pytest.mark.parametrize("password", ["plain", "p@ss/w:rd?#%", "snow\N{SNOWMAN} man", "a b+c&d=e"])
def test_the_database_url_opens_with_any_password(password: str) -> None:
    url = sqlalchemy.make_url(_secret(password)["DATABASE_URL"])

    assert url.password == password
    assert (url.drivername, url.host, url.port) == ("postgresql+psycopg2", "db.example.com", 5432)
    assert url.query["sslmode"] == "require"
    assert unquote(str(url.database)) == "carthub"


def test_the_secret_makes_psql_work() -> None:
    data = _secret("pw")

    assert (data["PGUSER"], data["PGPASSWORD"]) == ("carthub_app", "pw")
    assert (data["PGHOST"], data["PGPORT"], data["PGDATABASE"]) == (
        "db.example.com",
        "5432",
        "carthub",
    )


@pytest.mark.parametrize(
    ("changed", "mode"),
    [
        ({}, "require"),
        ({"ca": {"configMap": {"name": "ca", "key": "ca.crt"}}}, "verify-full"),
        ({"sslMode": "disable"}, "disable"),
    ],
)
def test_tls_is_as_strict_as_what_is_given(changed: dict[str, Any], mode: str) -> None:
    data = _secret("pw", database=database(**changed))

    assert data["PGSSLMODE"] == mode
    assert data["DATABASE_URL"].endswith(f"sslmode={mode}")


def test_an_ipv6_host_is_bracketed() -> None:
    assert "@[::1]:5432/" in credentials(host="::1").url("require")


def test_the_password_is_not_in_the_repr() -> None:
    assert "canary" not in repr(credentials(password="canary"))


def test_the_service_answers_on_port_80_and_shows_metrics_on_another() -> None:
    ports = service(cart_service())["spec"]["ports"]

    assert ports == [
        {"name": "http", "port": 80, "targetPort": "http", "protocol": "TCP"},
        {"name": "metrics", "port": 9090, "targetPort": "metrics", "protocol": "TCP"},
    ]


def test_the_autoscaler_follows_cpu_and_memory() -> None:
    made = autoscaler(cart_service())
    assert made is not None

    assert (made["spec"]["minReplicas"], made["spec"]["maxReplicas"]) == (2, 15)
    targets = {
        one["resource"]["name"]: one["resource"]["target"]["averageUtilization"]
        for one in made["spec"]["metrics"]
    }
    assert targets == {"cpu": 70, "memory": 80}


def test_scaling_rates_are_passed_on() -> None:
    behavior = {"scaleDown": {"stabilizationWindowSeconds": 60}}
    made = autoscaler(cart_service(autoscaling={"behavior": behavior}))

    assert made is not None
    assert made["spec"]["behavior"] == behavior


def test_there_is_no_autoscaler_while_the_spec_fixes_the_replicas() -> None:
    assert autoscaler(cart_service(autoscaling={"enabled": False})) is None


def test_the_budget_never_blocks_a_drain() -> None:
    made = disruption_budget(cart_service())

    assert made is not None
    assert made["spec"]["maxUnavailable"] == 1
    assert disruption_budget(cart_service(podDisruptionBudget={"enabled": False})) is None


def test_the_service_account_carries_the_irsa_annotation_and_no_token() -> None:
    annotations = {"eks.amazonaws.com/role-arn": "arn:aws:iam::123456789012:role/cart"}
    made = service_account(cart_service(serviceAccount={"annotations": annotations}))

    assert made["metadata"]["annotations"] == annotations
    assert made["automountServiceAccountToken"] is False


def test_the_network_policy_lists_the_default_flows() -> None:
    spec = network_policy(cart_service(), database_port=5432)["spec"]

    assert spec["policyTypes"] == ["Ingress", "Egress"]
    assert spec["ingress"] == [
        {"from": [{"podSelector": {}}], "ports": [{"port": 8000, "protocol": "TCP"}]}
    ]
    assert spec["egress"] == [
        {"ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]},
        {"ports": [{"port": 5432, "protocol": "TCP"}]},
    ]


def test_the_network_policy_opens_what_the_spec_adds() -> None:
    peer = {"ipBlock": {"cidr": "10.0.0.0/8"}}
    scraper = {"namespaceSelector": {"matchLabels": {"name": "monitoring"}}}
    extra = {"ports": [{"port": 443, "protocol": "TCP"}]}
    resource = cart_service(
        network={"allowFrom": [peer], "metricsFrom": [scraper], "allowTo": [extra]},
        database=database(cidrs=["10.20.0.0/16"]),
    )

    spec = network_policy(resource, database_port=6432)["spec"]

    assert peer in spec["ingress"][0]["from"]
    assert spec["ingress"][1] == {
        "from": [scraper],
        "ports": [{"port": 9090, "protocol": "TCP"}],
    }
    assert spec["egress"][1] == {
        "ports": [{"port": 6432, "protocol": "TCP"}],
        "to": [{"ipBlock": {"cidr": "10.20.0.0/16"}}],
    }
    assert spec["egress"][2] == extra


def test_extra_egress_is_written_as_the_server_stores_it() -> None:
    extra = {"to": [{"podSelector": {}}], "ports": [{"port": 443}, {"protocol": "UDP"}]}
    spec = network_policy(cart_service(network={"allowTo": [extra, {}]}), database_port=5432)

    assert spec["spec"]["egress"][2:] == [
        {
            "to": [{"podSelector": {}}],
            "ports": [{"port": 443, "protocol": "TCP"}, {"protocol": "UDP"}],
        },
        {},
    ]
