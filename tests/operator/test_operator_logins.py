"""Logins that are tried before new credentials replace good ones, by an operator that does.

In a module of its own: the operator of the other modules tries none, and sees every namespace.
"""

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest

from carthub_dev import operator_process
from carthub_dev.aws import AwsServer
from carthub_dev.control_plane import ControlPlane
from carthub_dev.database import DatabaseServer
from carthub_dev.ledger import Ledger
from carthub_dev.operator_process import OperatorProcess, running_operator
from tests.support import canary
from tests.support.command_line import carthub
from tests.support.live_cart import LiveCart, live_cart
from tests.support.live_operator import PASSWORD, aws_database


@pytest.fixture
def checking(
    control_plane: ControlPlane, aws_server: AwsServer, ledger: Ledger
) -> Iterator[tuple[OperatorProcess, LiveCart]]:
    """An operator that tries logins, and the namespace that it watches."""
    kubeconfig = operator_process.install(control_plane)
    with live_cart(control_plane) as cart:
        settings = {
            "CARTHUB_CHECK_LOGINS": "true",
            "CARTHUB_NAMESPACES": cart.namespace,
            # Those of the libraries below quote what they send.
            "CARTHUB_LOG_LEVEL": "DEBUG",
        }
        with running_operator(
            control_plane, ledger, kubeconfig=kubeconfig, aws=aws_server, settings=settings
        ) as operator:
            yield operator, cart


def test_a_password_that_the_database_refuses_never_replaces_a_good_one(
    checking: tuple[OperatorProcess, LiveCart],
    aws_server: AwsServer,
    database_server: DatabaseServer,
) -> None:
    operator, cart = checking
    name = f"test/{cart.namespace}"
    good = {"username": "carthub_app", "password": database_server.password}
    aws_server.put_secret(name, good)
    host, port = database_server.address, database_server.port
    cart.apply(database=aws_database(name, sslMode="disable", host=host, port=port))
    cart.wait_ready()
    # An answer that comes too late for a pass is told by a later one.
    cart.eventually(
        lambda: cart.resource()["status"]["database"].get("serverMaxConnections") == 200,
        what="how many connections the server takes",
    )

    aws_server.rotate(name, {**good, "password": PASSWORD})
    _sync(cart, "1")

    told = cart.wait_for("SecretSynced", "False", "SecretRefused")
    assert "SQLSTATE 28P01" in told["message"]
    assert cart.secret()["DB_PASSWORD"] == database_server.password
    assert PASSWORD not in json.dumps(cart.items("Event")) + operator.log

    database_server.create_login("carthub_green", PASSWORD)
    aws_server.rotate(name, {"username": "carthub_green", "password": PASSWORD})

    # Ready it was all the time.
    cart.wait_for("SecretSynced", "True")
    assert cart.secret()["DB_USERNAME"] == "carthub_green"


def test_the_password_is_nowhere_but_in_the_secret(
    checking: tuple[OperatorProcess, LiveCart],
    aws_server: AwsServer,
    database_server: DatabaseServer,
) -> None:
    operator, cart = checking
    mark, name = operator.plane.audit_mark(), f"test/{cart.namespace}"
    login = f"canary_{cart.namespace[-8:]}"
    database_server.create_login(login, canary.PASSWORD)
    place = {"host": database_server.address, "port": database_server.port}
    good = {"username": login, "password": canary.PASSWORD, **place}
    aws_server.put_secret(name, good)
    declared = aws_database(name, sslMode="disable")
    del declared["host"]
    cart.apply(database=declared)
    cart.wait_ready()
    assert cart.secret()["DB_PASSWORD"] == canary.PASSWORD
    # Where it belongs it is found: encoded, and in base64.
    assert canary.found(canary.PASSWORD, cart.secret()["DATABASE_URL"])
    assert canary.found(canary.PASSWORD, json.dumps(cart.child("Secret")))
    looked_at = [canary.everything(cart, str(operator.plane.kubeconfig))]

    bad: list[tuple[dict[str, object] | str, str]] = [
        (f"{{{canary.PASSWORD}", "SecretMalformed"),
        ({**good, "password": [canary.PASSWORD]}, "SecretMalformed"),
        ({**good, "port": canary.PASSWORD}, "SecretMalformed"),
        ({**good, "host": canary.PASSWORD}, "SecretMalformed"),
        ({**good, "password": f"{canary.PASSWORD}!"}, "SecretRefused"),
    ]
    for number, (value, reason) in enumerate(bad):
        # Before the rotation: the refresh may be faster than the demand.
        before = cart.condition("SecretSynced")
        aws_server.rotate(name, value)
        _sync(cart, str(number))
        cart.eventually(
            lambda: _another(cart, reason, before),  # noqa: B023 - used in this round only
            what=f"{reason} for value {number}",
        )
        # Events stay for the end; what the status says does not.
        looked_at.append(json.dumps(cart.resource(), ensure_ascii=False))

    # The other source, with bytes that are no text.
    broken = base64.b64encode(canary.PASSWORD.encode() + b"\xff").decode()
    cart.create(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "my-own"},
            "data": {"username": broken, "password": broken},
        }
    )
    other = {"secretsManager": None, "existingSecret": {"name": "my-own"}}
    cart.patch("CartService", "backend", {"spec": {"database": {"credentials": other}}})
    cart.wait_for("SecretSynced", "False", "SecretMalformed")
    assert cart.secret()["DB_PASSWORD"] == canary.PASSWORD

    where = ("-n", cart.namespace, "--kubeconfig", str(operator.plane.kubeconfig))
    shown = carthub("status", "backend", *where)
    with operator.plane.audit_log.open(encoding="utf-8") as log:
        log.seek(mark)
        looked_at += [
            canary.everything(cart, str(operator.plane.kubeconfig)),
            operator.log,
            operator.metrics(),
            shown.out + shown.err,
            log.read(),
        ]
    assert "SecretMalformed" in shown.out
    assert all(looked_at)
    assert canary.found(canary.PASSWORD, *looked_at) == set()


def _sync(cart: LiveCart, demand: str) -> None:
    change = {"metadata": {"annotations": {"carthub.io/sync": demand}}}
    cart.patch("CartService", "backend", change)


def _another(cart: LiveCart, reason: str, before: dict[str, Any]) -> bool:
    """Tell whether SecretSynced says so, in other words than before."""
    now = cart.condition("SecretSynced")
    return bool(now.get("reason") == reason and now["message"] != before["message"])
