import secrets

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from carthub_dev.aws import AwsServer
from carthub_dev.ledger import Ledger


@pytest.fixture
def secret_id() -> str:
    return f"carthub/{secrets.token_hex(4)}"


def current(aws: AwsServer, secret_id: str) -> str:
    client = aws.secrets_manager()
    return client.get_secret_value(SecretId=secret_id, VersionStage="AWSCURRENT")["SecretString"]


def test_a_rotation_moves_the_label(aws_server: AwsServer, secret_id: str) -> None:
    arn = aws_server.put_secret(secret_id, {"password": "one"})
    assert secret_id in arn
    assert current(aws_server, secret_id) == '{"password": "one"}'

    version = aws_server.rotate(secret_id, {"password": "two"})

    assert current(aws_server, secret_id) == '{"password": "two"}'
    stages = aws_server.secrets_manager().describe_secret(SecretId=secret_id)["VersionIdsToStages"]
    assert "AWSCURRENT" in stages.pop(version)
    assert list(stages.values()) == [["AWSPREVIOUS"]]


def test_the_label_moves_back(aws_server: AwsServer, secret_id: str) -> None:
    aws_server.put_secret(secret_id, "one")
    client = aws_server.secrets_manager()
    [first] = client.describe_secret(SecretId=secret_id)["VersionIdsToStages"]
    second = aws_server.rotate(secret_id, "two")
    aws_server.move_current(secret_id, to=first, away_from=second)
    assert current(aws_server, secret_id) == "one"


def test_a_deleted_secret_is_not_found(aws_server: AwsServer, secret_id: str) -> None:
    aws_server.put_secret(secret_id, "not JSON")
    aws_server.delete_secret(secret_id)
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        current(aws_server, secret_id)


def test_a_stopped_server_refuses_and_comes_back_at_the_same_address(
    ledger: Ledger, secret_id: str
) -> None:
    with AwsServer(ledger) as own:
        assert own.environment["AWS_ENDPOINT_URL"] == own.endpoint_url
        url = own.endpoint_url
        own.stop()
        with pytest.raises(EndpointConnectionError):
            current(own, secret_id)
        own.start()
        assert own.endpoint_url == url
        own.put_secret(secret_id, {"password": "one"})
