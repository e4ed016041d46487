"""The optional ways in, on a real API server: made, followed, and taken away again."""

import json
from pathlib import Path
from typing import Any

from carthub_dev import operator_process
from carthub_dev.aws import AwsServer
from carthub_dev.control_plane import ControlPlane
from carthub_dev.ledger import Ledger
from carthub_dev.operator_process import OperatorProcess, running_operator
from carthub_operator.cli.exits import Exit
from tests.support.cluster import Cluster, eventually
from tests.support.command_line import carthub
from tests.support.live_cart import LiveCart, live_cart
from tests.support.live_operator import aws_database, settle
from tests.support.monitors import DEFINITION
from tests.support.onlooker import onlooker


def test_an_ingress_comes_and_goes_with_the_spec(ready: LiveCart) -> None:
    def sources() -> list[dict[str, Any]]:
        rules = ready.child("NetworkPolicy")["spec"]["ingress"]
        return [rule for rule in rules if "from" not in rule]

    ready.patch("CartService", "backend", {"spec": {"ingress": {"enabled": True}}})
    ready.eventually(lambda: ready.get("Ingress", "backend-ingress"), what="the Ingress")
    ready.eventually(sources, what="the policy opens for it")

    ready.patch("CartService", "backend", {"spec": {"ingress": {"host": "cart.example.com"}}})

    def host() -> object:
        found = ready.get("Ingress", "backend-ingress") or {"spec": {"rules": [{}]}}
        return found["spec"]["rules"][0].get("host")

    ready.eventually(lambda: host() == "cart.example.com", what="its host")
    ready.delete("Ingress", "backend-ingress")
    ready.eventually(lambda: host() == "cart.example.com", what="the Ingress again")

    ready.patch("CartService", "backend", {"spec": {"ingress": {"enabled": False}}})
    ready.eventually(
        lambda: ready.get("Ingress", "backend-ingress") is None, what="the Ingress is gone"
    )
    ready.eventually(lambda: not sources(), what="the policy is shut again")
    ready.wait_ready()


def test_a_service_monitor_follows_the_definition_of_its_kind(
    own_control_plane: ControlPlane, ledger: Ledger, aws_server: AwsServer
) -> None:
    plane = own_control_plane
    with live_cart(plane) as cart:
        kubectl = Cluster(plane.kubeconfig)
        kubectl.kubectl("delete", "crd", DEFINITION["metadata"]["name"], "--ignore-not-found")
        name = f"test/{cart.namespace}"
        aws_server.put_secret(name, {"username": "u", "password": "canary"})
        kubeconfig = operator_process.install(plane)
        settings = {"CARTHUB_RESYNC_SECONDS": "5"}
        with running_operator(
            plane, ledger, kubeconfig=kubeconfig, aws=aws_server, settings=settings
        ) as operator:
            cart.apply(database=aws_database(name))
            cart.wait_ready()
            other = onlooker(plane, cart.namespace)
            _shows_monitor(cart, plane.kubeconfig, None)
            # Who has no right to read it is not told of a kind that nobody knows.
            _shows_monitor(cart, other, None)

            kubectl.apply(DEFINITION)
            _wait_for_monitor(cart)
            _shows_monitor(cart, plane.kubeconfig, "exists")
            _shows_monitor(cart, other, "may be there: you have no right to read it")
            # Watched, so that it comes back.
            cart.delete("ServiceMonitor", "backend")
            _wait_for_monitor(cart)
            settle(operator)
            _is_watching(operator)

            never = {"monitoring": {"serviceMonitor": "never"}}
            cart.patch("CartService", "backend", {"spec": never})
            cart.eventually(
                lambda: cart.get("ServiceMonitor", "backend") is None, what="no monitor"
            )
            kubectl.kubectl("delete", "crd", DEFINITION["metadata"]["name"])
            cart.patch("CartService", "backend", {"spec": {"logLevel": "DEBUG"}})
            cart.wait_ready()
            _is_watching(operator)


def _shows_monitor(cart: LiveCart, kubeconfig: Path, state: str | None) -> None:
    def is_shown() -> bool:
        where = ("-n", cart.namespace, "--kubeconfig", str(kubeconfig))
        answer = carthub("status", "backend", "-o", "json", *where)
        if answer.code == Exit.NOT_ANSWERED:
            # The API server has not heard of the rights yet.
            return False
        children = {one["kind"]: one["state"] for one in json.loads(answer.out)["children"]}
        return children.get("ServiceMonitor") == state

    cart.eventually(is_shown, what=f"the ServiceMonitor: {state}")


def _wait_for_monitor(cart: LiveCart) -> None:
    cart.eventually(
        lambda: cart.get("ServiceMonitor", "backend"), what="the monitor", timeout_seconds=60
    )


def _is_watching(operator: OperatorProcess) -> None:
    eventually(lambda: operator.answers("/readyz"), what="every kind is watched")
    assert operator.answers("/healthz")
