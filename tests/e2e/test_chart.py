"""The chart on real nodes, from its installation to its removal; a cart is served all the while."""

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from carthub_dev import manifests, paths
from carthub_dev.helm import CHART, RELEASE, Helm
from tests.support.cluster import Cluster, eventually
from tests.support.shop import Shop

if TYPE_CHECKING:
    from carthub_dev.platform import Platform

_OPERATORS = manifests.OPERATOR_NAMESPACE
_NAMESPACE = "helm-shop"
_SECRET_ID = "prod/carthub/helm"
_HERE = ("--namespace", _OPERATORS)
_WAIT = ("--wait", "--timeout", "3m")
_KINDS = (
    "deployments,services,horizontalpodautoscalers,networkpolicies,poddisruptionbudgets,"
    "secrets,jobs,pods"
)


@pytest.fixture
def helm(
    platform: "Platform",
    nodes: Cluster,
    chart_tools: None,  # noqa: ARG001 - built before any test
    tmp_path: Path,
) -> Iterator[Helm]:
    """Helm, in a cluster whose operator has made room; at the end it is back."""
    base = str(paths.REPOSITORY / "deploy" / "operator")
    nodes.kubectl("delete", "--kustomize", base, "--ignore-not-found")
    nodes.apply(manifests.namespace(_OPERATORS), manifests.namespace(_NAMESPACE))
    called = Helm(tmp_path / "helm", platform.kubectl.kubeconfig)
    yield called
    called("uninstall", RELEASE, *_HERE, "--ignore-not-found", *_WAIT)
    nodes.kubectl("delete", "namespace", _NAMESPACE, "--ignore-not-found")
    platform.install_operator()


def _values(platform: "Platform") -> dict[str, Any]:
    repository, _, tag = platform.images["carthub-operator"].reference.rpartition(":")
    aws = platform.aws.environment
    return {
        "image": {"repository": repository, "tag": tag},
        # Another test's CartService may be there, and keeps what it has.
        "secretAllowList": {"*": ["prod/carthub/*"]},
        "extraEnv": [{"name": name, "value": aws[name]} for name in sorted(aws)],
    }


def _cart_service(platform: "Platform") -> list[dict[str, Any]]:
    database = platform.database_facts
    image = platform.images["carthub-service"].reference
    made = manifests.cart_service(image, database, region="eu-west-1")
    made["metadata"]["namespace"] = _NAMESPACE
    made["spec"]["database"]["credentials"]["secretsManager"]["secretId"] = _SECRET_ID
    made["spec"] |= {"autoscaling": {"enabled": False}, "replicas": 1}
    return [manifests.database_authority(database.authority, _NAMESPACE), made]


def _environment(nodes: Cluster) -> dict[str, str]:
    live = nodes.get("deployment", RELEASE, _OPERATORS) or {}
    (container,) = live["spec"]["template"]["spec"]["containers"]
    return {one["name"]: one.get("value", "") for one in container["env"]}


def _bought(nodes: Cluster) -> int:
    """Put one more into the cart, and return how many are in it."""
    service = nodes.get("service", "backend-service", _NAMESPACE) or {}
    # Anew each time: a rollout ends the connections to the pods before.
    with contextlib.closing(Shop(service["spec"]["clusterIP"])) as shop:
        quantity: int = shop.add("anna", "tea")["items"][0]["quantity"]
    return quantity


def _reconciles(nodes: Cluster, log_level: str) -> None:
    """Change the CartService, which only a working operator makes Ready again."""
    patch = json.dumps({"spec": {"logLevel": log_level}})
    words = ("patch", "cartservice", "backend", "-n", _NAMESPACE, "--type=merge", "-p", patch)
    nodes.kubectl(*words)
    nodes.wait_ready("backend", _NAMESPACE)


def test_it_is_installed_upgraded_taken_back_tested_and_removed(
    helm: Helm,
    platform: "Platform",
    nodes: Cluster,
    put_database_secret: Callable[[str], None],
) -> None:
    put_database_secret(_SECRET_ID)

    helm("install", RELEASE, str(CHART), *_HERE, *_WAIT, values=_values(platform))
    nodes.apply(*_cart_service(platform))
    nodes.wait_ready("backend", _NAMESPACE)
    assert _bought(nodes) == 1

    upgrade = ("upgrade", RELEASE, str(CHART), *_HERE, *_WAIT, "--reset-then-reuse-values")
    helm(*upgrade, "--set", "logLevel=DEBUG")
    assert _environment(nodes)["CARTHUB_LOG_LEVEL"] == "DEBUG"
    _reconciles(nodes, "WARNING")
    assert _bought(nodes) == 2

    helm("rollback", RELEASE, "1", *_HERE, *_WAIT)
    assert _environment(nodes)["CARTHUB_LOG_LEVEL"] == "INFO"
    _reconciles(nodes, "INFO")
    assert _bought(nodes) == 3

    said = helm("test", RELEASE, *_HERE, "--logs", "--timeout", "3m")
    assert "Every replica is ready and serves CartServices, and one of them writes." in said

    helm("uninstall", RELEASE, *_HERE, *_WAIT)
    eventually(lambda: nodes.items("pods", _OPERATORS) == [], what="the operator's pods gone")
    assert _bought(nodes) == 4

    nodes.kubectl("delete", "cartservice", "backend", "-n", _NAMESPACE, "--timeout=110s")
    eventually(
        lambda: nodes.items(_KINDS, _NAMESPACE) == [],
        what="every child of the deleted CartService gone",
    )
    nodes.kubectl("delete", "namespace", _NAMESPACE, "--timeout=110s")
