"""Logins that are tried before new credentials replace good ones, by an operator that does.

In a module of its own: the operator of the other modules tries none, and sees every namespace.
"""

import json
from collections.abc import Iterator

import pytest

from carthub_dev.aws import AwsServer
from carthub_dev.control_plane import ControlPlane
from carthub_dev.database import DatabaseServer
from carthub_dev.ledger import Ledger
from tests.support import operator_process
from tests.support.live_cart import LiveCart, live_cart
from tests.support.live_operator import PASSWORD, aws_database
from tests.support.operator_process import OperatorProcess, running_operator


@pytest.fixture
def checking(
    control_plane: ControlPlane, aws_server: AwsServer, ledger: Ledger
) -> Iterator[tuple[OperatorProcess, LiveCart]]:
    """An operator that tries logins, and the namespace that it watches."""
    kubeconfig = operator_process.install(control_plane)
    with live_cart(control_plane) as cart:
        settings = {"CARTHUB_CHECK_LOGINS": "true", "CARTHUB_NAMESPACES": cart.namespace}
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
    assert cart.resource()["status"]["database"]["serverMaxConnections"] == 200

    aws_server.rotate(name, {**good, "password": PASSWORD})
    cart.patch("CartService", "backend", {"metadata": {"annotations": {"carthub.io/sync": "1"}}})

    told = cart.wait_for("SecretSynced", "False", "SecretRefused")
    assert "SQLSTATE 28P01" in told["message"]
    assert cart.secret()["DB_PASSWORD"] == database_server.password
    assert PASSWORD not in json.dumps(cart.items("Event")) + operator.log

    database_server.create_login("carthub_green", PASSWORD)
    aws_server.rotate(name, {"username": "carthub_green", "password": PASSWORD})

    # Ready it was all the time.
    cart.wait_for("SecretSynced", "True")
    assert cart.secret()["DB_USERNAME"] == "carthub_green"
