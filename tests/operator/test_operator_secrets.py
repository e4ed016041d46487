"""Credentials: where they come from, how they change, and what never replaces a good one."""

import json
from collections.abc import Iterator

import pytest

from carthub_dev.aws import AwsServer
from carthub_dev.control_plane import ControlPlane
from carthub_dev.database import DatabaseServer
from carthub_dev.ledger import Ledger
from tests.support import operator_process
from tests.support.live_cart import LiveCart, live_cart
from tests.support.live_operator import INTERVAL, PASSWORD, aws_database, settle
from tests.support.operator_process import OperatorProcess, running_operator
from tests.support.resources import database


def test_a_missing_secret_is_told_and_mended_by_itself(
    cart: LiveCart, aws_server: AwsServer
) -> None:
    secret_id = f"test/{cart.namespace}"
    cart.apply(database=aws_database(secret_id))
    told = cart.wait_for("SecretSynced", "False", "SecretNotFound")
    assert "create it" in told["message"]
    assert cart.condition("Stalled")["status"] == "True"
    assert cart.get("Deployment", "backend-deployment") is None
    cart.eventually(
        lambda: [
            one
            for one in cart.events()
            if one["reason"] == "SecretNotFound" and one["type"] == "Warning"
        ],
        what="a warning",
    )

    aws_server.put_secret(secret_id, {"username": "carthub_blue", "password": PASSWORD})

    cart.wait_ready()
    reasons = [one["reason"] for one in cart.events() if one["type"] == "Warning"]
    assert reasons.count("SecretNotFound") == 1


def test_a_secret_outside_the_allow_list_is_refused(cart: LiveCart, aws_server: AwsServer) -> None:
    other = f"other/{cart.namespace}"
    aws_server.put_secret(other, {"username": "carthub_blue", "password": PASSWORD})

    cart.apply(database=aws_database(other))

    told = cart.wait_for("SecretSynced", "False", "SecretNotAllowed")
    assert "CARTHUB_SECRET_ALLOW_LIST" in told["message"]
    assert cart.get("Secret", "backend-db") is None


def test_a_malformed_secret_never_replaces_a_good_one(
    ready: LiveCart, secret_id: str, aws_server: AwsServer
) -> None:
    for number, (value, word) in enumerate(
        [("no json " + PASSWORD, "JSON"), (json.dumps({"username": "u"}), "'password'")]
    ):
        aws_server.rotate(secret_id, value)
        ready.patch(
            "CartService",
            "backend",
            {"metadata": {"annotations": {"carthub.io/sync": str(number)}}},
        )

        def is_told(word: str = word) -> bool:
            return word in ready.condition("SecretSynced").get("message", "")

        ready.eventually(is_told, what=f"{word} in the message")
        told = ready.condition("SecretSynced")
        assert (told["status"], told["reason"]) == ("False", "SecretMalformed")
        assert PASSWORD not in told["message"]
    assert ready.secret()["DB_PASSWORD"] == PASSWORD
    assert ready.condition("DeploymentAvailable")["status"] == "True"


def test_a_rotation_reaches_secret_and_pods(
    ready: LiveCart, secret_id: str, aws_server: AwsServer
) -> None:
    version = aws_server.rotate(secret_id, {"username": "carthub_green", "password": "another"})
    ready.patch("CartService", "backend", {"metadata": {"annotations": {"carthub.io/sync": "1"}}})

    def rolled() -> bool:
        template = ready.child("Deployment")["spec"]["template"]["metadata"]
        return bool(template["annotations"]["carthub.io/secret-version"] == version)

    ready.eventually(rolled, what="the pods are rolled", timeout_seconds=8)
    ready.wait_ready()
    assert ready.secret()["DB_PASSWORD"] == "another"
    assert ready.secret()["DB_USERNAME"] == "carthub_green"
    ready.eventually(
        lambda: ready.resource()["status"]["database"]["secretVersionId"] == version,
        what="the version is told",
    )
    ready.eventually(
        lambda: [one["reason"] for one in ready.events()].count("SecretUpdated") == 1,
        what="one event",
    )


def test_a_new_version_with_the_same_value_rolls_nothing(
    ready: LiveCart, secret_id: str, aws_server: AwsServer, operator: OperatorProcess
) -> None:
    before = ready.child("Deployment")["metadata"]["generation"]
    calls = operator.metric("carthub_aws_request_seconds_count", operation="GetSecretValue")

    aws_server.rotate(secret_id, {"username": "carthub_blue", "password": PASSWORD})
    ready.eventually(
        lambda: (
            operator.metric("carthub_aws_request_seconds_count", operation="GetSecretValue") > calls
        ),
        what="the value has been fetched again",
    )
    settle(operator)

    assert ready.child("Deployment")["metadata"]["generation"] == before


def test_an_existing_secret_is_copied_and_followed(cart: LiveCart) -> None:
    source = {"name": "my-own", "refreshInterval": INTERVAL}
    cart.apply(database=database(credentials={"existingSecret": source}))
    cart.wait_for("SecretSynced", "False", "SecretNotFound")

    cart.create(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "my-own"},
            "stringData": {"username": "one", "password": PASSWORD},
        }
    )
    cart.wait_ready()
    assert cart.secret()["DB_USERNAME"] == "one"

    cart.patch("Secret", "my-own", {"stringData": {"username": "two"}})

    cart.eventually(lambda: cart.secret()["DB_USERNAME"] == "two", what="the new user")


def test_the_password_is_nowhere_but_in_the_secret(
    ready: LiveCart, operator: OperatorProcess
) -> None:
    kinds = ["CartService", "Deployment", "Job", "Pod", "Event", "Service", "NetworkPolicy"]
    everything = json.dumps([ready.items(kind) for kind in kinds]) + operator.log

    for form in (PASSWORD, PASSWORD.replace("%", "%25"), "canary-P%40ss", "canary-P"):
        assert form not in everything


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
