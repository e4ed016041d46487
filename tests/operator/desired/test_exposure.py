"""The Ingress, the ServiceMonitor, and what they open in the network policy."""

from typing import Any

import pytest

from carthub_operator.desired.ingress import ingress
from carthub_operator.desired.network_policy import network_policy
from carthub_operator.desired.service import service
from carthub_operator.desired.service_monitor import service_monitor
from tests.support.resources import cart_service

BACKEND = {"service": {"name": "backend-service", "port": {"name": "http"}}}
PATHS = {"paths": [{"path": "/", "pathType": "Prefix", "backend": BACKEND}]}
CONTROLLER = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress"}}}


def _ingress(**spec: Any) -> dict[str, Any]:
    made = ingress(cart_service(ingress={"enabled": True, **spec}))
    assert made is not None
    return made


def test_there_is_no_ingress_by_default() -> None:
    assert ingress(cart_service()) is None


def test_an_ingress_is_one_of_the_aws_load_balancer_by_default() -> None:
    made = _ingress()

    assert made["metadata"]["name"] == "backend-ingress"
    assert made["spec"] == {"ingressClassName": "alb", "rules": [{"http": PATHS}]}
    assert made["metadata"]["annotations"] == {
        "alb.ingress.kubernetes.io/target-type": "ip",
        "alb.ingress.kubernetes.io/healthcheck-path": "/health/ready",
    }


def test_annotations_of_the_spec_win() -> None:
    key = "alb.ingress.kubernetes.io/healthcheck-path"

    made = _ingress(annotations={key: "/health/live"})["metadata"]["annotations"]

    assert made[key] == "/health/live"
    assert len(made) == 2


def test_another_class_has_a_host_its_certificate_and_no_annotation_of_ours() -> None:
    made = _ingress(className="nginx", host="cart.example.com", tls={"secretName": "cart-tls"})

    assert "annotations" not in made["metadata"]
    assert made["spec"] == {
        "ingressClassName": "nginx",
        "rules": [{"host": "cart.example.com", "http": PATHS}],
        "tls": [{"hosts": ["cart.example.com"], "secretName": "cart-tls"}],
    }


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        ([], {"ports": [{"port": 8000, "protocol": "TCP"}]}),
        ([CONTROLLER], {"ports": [{"port": 8000, "protocol": "TCP"}], "from": [CONTROLLER]}),
    ],
)
def test_the_policy_opens_for_the_ingress(
    sources: list[dict[str, Any]], expected: dict[str, Any]
) -> None:
    resource = cart_service(ingress={"enabled": True, "from": sources})

    made = network_policy(resource, database_port=5432)["spec"]["ingress"]

    assert made[1:] == [expected]


def test_the_policy_stays_shut_while_the_ingress_is_off() -> None:
    resource = cart_service(ingress={"enabled": False, "from": [CONTROLLER]})

    made = network_policy(resource, database_port=5432)["spec"]["ingress"]

    assert len(made) == 1


def test_a_service_monitor_selects_the_service_and_its_metrics_port() -> None:
    resource = cart_service(monitoring={"labels": {"release": "prometheus"}})

    made = service_monitor(resource, is_served=True)

    assert made is not None
    served = service(resource)
    wanted = made["spec"]["selector"]["matchLabels"].items()
    assert wanted <= served["metadata"]["labels"].items()
    (endpoint,) = made["spec"]["endpoints"]
    assert endpoint["port"] in {port["name"] for port in served["spec"]["ports"]}
    assert made["metadata"]["labels"]["release"] == "prometheus"
    (label,) = made["spec"]["targetLabels"]
    assert served["metadata"]["labels"][label] == "backend"


def test_a_service_monitor_is_made_only_where_it_is_served_and_wanted() -> None:
    assert service_monitor(cart_service(), is_served=False) is None
    never = cart_service(monitoring={"serviceMonitor": "never"})
    assert service_monitor(never, is_served=True) is None
