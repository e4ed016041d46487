"""Credentials: where they come from, how they change, and what never replaces a good one."""

import json

from carthub_dev.aws import AwsServer
from carthub_dev.operator_process import OperatorProcess
from tests.support.live_cart import LiveCart
from tests.support.live_operator import INTERVAL, PASSWORD, aws_database, settle
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


def test_a_secret_of_another_account_is_read_in_the_role_that_is_allowed(
    cart: LiveCart, aws_server: AwsServer
) -> None:
    role, secret_id = "arn:aws:iam::210987654321:role/test-reader", f"test/{cart.namespace}"
    value = json.dumps({"username": "carthub_blue", "password": PASSWORD})
    aws_server.as_role(role).create_secret(Name=secret_id, SecretString=value)

    cart.apply(database=aws_database(secret_id, role_arn=role))

    cart.wait_ready()
    assert cart.secret()["DB_PASSWORD"] == PASSWORD


def test_a_role_outside_the_allow_list_is_refused(cart: LiveCart) -> None:
    other = "arn:aws:iam::210987654321:role/admin"

    cart.apply(database=aws_database(f"test/{cart.namespace}", role_arn=other))

    told = cart.wait_for("SecretSynced", "False", "SecretNotAllowed")
    assert f"(CARTHUB_ROLE_ALLOW_LIST) does not give role {other} to" in told["message"]
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
    cart: LiveCart, secret_id: str, aws_server: AwsServer
) -> None:
    # The refresh comes too late for it: the demand is what is carried out.
    cart.apply(database=aws_database(secret_id, interval="1h"))
    cart.wait_ready()
    version = aws_server.rotate(secret_id, {"username": "carthub_green", "password": "another"})
    cart.patch("CartService", "backend", {"metadata": {"annotations": {"carthub.io/sync": "1"}}})

    def rolled() -> bool:
        template = cart.child("Deployment")["spec"]["template"]["metadata"]
        return bool(template["annotations"]["carthub.io/secret-version"] == version)

    cart.eventually(rolled, what="the pods are rolled")
    cart.wait_ready()
    assert cart.secret()["DB_PASSWORD"] == "another"
    assert cart.secret()["DB_USERNAME"] == "carthub_green"
    cart.eventually(
        lambda: cart.resource()["status"]["database"]["secretVersionId"] == version,
        what="the version is told",
    )
    cart.eventually(
        lambda: [one["reason"] for one in cart.events()].count("SecretUpdated") == 1,
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
