"""Secrets Manager through moto: what comes back, and in which words it fails."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from secrets import token_hex

import pytest

from carthub_dev.aws import REGION, AwsServer
from carthub_operator.api.conditions import Reason
from carthub_operator.contracts import SecretReference
from carthub_operator.edges import aws
from carthub_operator.edges.aws import AwsSecretsManager
from carthub_operator.errors import SecretError
from tests.support import http_server

Calls = list[tuple[str, str]]


@pytest.fixture
def calls() -> Calls:
    return []


@pytest.fixture
def aws_environment(aws_server: AwsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """No AWS but the one on this machine is ever asked."""
    for name, value in {**aws_server.environment, "NO_PROXY": "127.0.0.1"}.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def secrets(aws_environment: None, calls: Calls) -> AwsSecretsManager:  # noqa: ARG001 - its effect
    return _manager(calls)


def _manager(calls: Calls, *, read_seconds: float = 30.0) -> AwsSecretsManager:
    return AwsSecretsManager(
        on_call=lambda operation, code, _: calls.append((operation, code)),
        pool_size=1,
        connect_seconds=5.0,
        read_seconds=read_seconds,
    )


def _reason(call: Callable[[], object]) -> str:
    with pytest.raises(SecretError) as caught:
        call()
    assert "canary" not in str(caught.value)
    return caught.value.reason


def test_the_current_version_and_its_value(
    secrets: AwsSecretsManager, aws_server: AwsServer, calls: Calls
) -> None:
    aws_server.put_secret("test/aws/one", {"username": "u", "password": "p"})

    version = secrets.current_version(SecretReference(REGION, "test/aws/one"))

    assert secrets.current_value(SecretReference(REGION, "test/aws/one")) == (
        version,
        {"username": "u", "password": "p"},
    )
    assert calls == [("DescribeSecret", ""), ("GetSecretValue", "")]


def test_a_pending_version_is_not_seen_before_it_is_current(
    secrets: AwsSecretsManager, aws_server: AwsServer
) -> None:
    aws_server.put_secret("test/aws/two", {"password": "old"})
    before = secrets.current_version(SecretReference(REGION, "test/aws/two"))
    pending = aws_server.secrets_manager().put_secret_value(
        SecretId="test/aws/two", SecretString="{}", VersionStages=["AWSPENDING"]
    )["VersionId"]

    assert secrets.current_version(SecretReference(REGION, "test/aws/two")) == before
    aws_server.move_current("test/aws/two", to=pending, away_from=before)
    assert secrets.current_version(SecretReference(REGION, "test/aws/two")) == pending
    assert secrets.current_value(SecretReference(REGION, "test/aws/two")) == (pending, {})


def test_a_secret_that_does_not_exist(secrets: AwsSecretsManager) -> None:
    assert _reason(lambda: secrets.current_version(SecretReference(REGION, "test/aws/none"))) == (
        Reason.SECRET_NOT_FOUND
    )


def test_a_secret_that_waits_for_its_deletion_is_not_there_until_it_is_restored(
    secrets: AwsSecretsManager, aws_server: AwsServer
) -> None:
    doomed = SecretReference(REGION, "test/aws/doomed")
    aws_server.put_secret(doomed.secret_id, {"username": "u", "password": "canary"})
    version = secrets.current_version(doomed)
    aws = aws_server.secrets_manager()
    aws.delete_secret(SecretId=doomed.secret_id, RecoveryWindowInDays=7)

    assert _reason(lambda: secrets.current_version(doomed)) == Reason.SECRET_NOT_FOUND

    aws.restore_secret(SecretId=doomed.secret_id)
    assert secrets.current_version(doomed) == version


@pytest.mark.parametrize(
    "text", ["canary", '["canary"]', '"canary"', "{canary", "[" * 60_000], ids=lambda text: text[:9]
)
def test_a_value_that_is_no_json_object(
    secrets: AwsSecretsManager, aws_server: AwsServer, text: str
) -> None:
    name = f"test/aws/{token_hex(4)}"
    aws_server.put_secret(name, text)

    assert (
        _reason(lambda: secrets.current_value(SecretReference(REGION, name)))
        == Reason.SECRET_MALFORMED
    )


def test_an_operator_without_an_identity_in_aws_is_told_so(
    monkeypatch: pytest.MonkeyPatch, aws_server: AwsServer, calls: Calls
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, "/dev/null")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws_server.endpoint_url)

    with pytest.raises(SecretError, match="no identity in AWS") as caught:
        _manager(calls).current_version(SecretReference(REGION, "any"))

    assert caught.value.reason == Reason.SECRET_ACCESS_DENIED


@pytest.mark.usefixtures("aws_environment")
@pytest.mark.parametrize("status", [200, 400, 500])
@pytest.mark.parametrize("body", [b"canary", b"{canary", b'["canary"]', b'{"canary": 1}', b"\xff"])
def test_garbage_is_a_source_that_is_away(
    monkeypatch: pytest.MonkeyPatch, calls: Calls, status: int, body: bytes
) -> None:
    with _answering(status, body) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        secrets = _manager(calls)

        secret = SecretReference(REGION, "any")
        for ask in (secrets.current_version, secrets.current_value):
            assert _reason(lambda: ask(secret)) == Reason.SECRET_SOURCE_UNAVAILABLE  # noqa: B023 - used in this round only


@contextmanager
def _answering(status: int, body: bytes) -> Iterator[str]:
    """Yield the address of a server that answers everything with the same."""

    class Handler(http_server.Handler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.answer(status, body)

    with http_server.served(Handler) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.mark.usefixtures("aws_environment")
def test_nobody_listening_is_a_source_that_is_away(
    monkeypatch: pytest.MonkeyPatch, calls: Calls
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")

    assert _reason(lambda: _manager(calls).current_version(SecretReference(REGION, "any"))) == (
        Reason.SECRET_SOURCE_UNAVAILABLE
    )
    assert calls == [("DescribeSecret", "EndpointConnectionError")]


@pytest.mark.usefixtures("aws_environment")
def test_a_region_that_may_be_wrong_is_named(monkeypatch: pytest.MonkeyPatch, calls: Calls) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")

    with pytest.raises(SecretError, match=r"no-where-1 cannot be reached.*is the region right"):
        _manager(calls).current_version(SecretReference("no-where-1", "any"))


@pytest.mark.usefixtures("aws_environment")
def test_silence_is_a_source_that_is_away_within_the_time_limit(
    monkeypatch: pytest.MonkeyPatch, calls: Calls
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        impatient = _manager(calls, read_seconds=0.5)

        assert _reason(lambda: impatient.current_version(SecretReference(REGION, "any"))) == (
            Reason.SECRET_SOURCE_UNAVAILABLE
        )
    assert calls == [("DescribeSecret", "ReadTimeoutError")]


def test_however_many_regions_are_named_few_clients_are_kept(secrets: AwsSecretsManager) -> None:
    for number in range(60):
        secret = SecretReference(f"us-east-{number}", "none")
        with pytest.raises(SecretError):
            secrets.current_version(secret)
    assert len(secrets._clients) == 16  # noqa: SLF001 - nothing else shows what it keeps


ROLE = "arn:aws:iam::210987654321:role/carthub-reader"


def test_a_secret_of_another_account_is_read_in_the_role_that_it_names(
    secrets: AwsSecretsManager, aws_server: AwsServer, calls: Calls
) -> None:
    aws_server.put_secret("test/aws/shared", {"password": "ours"})
    theirs = aws_server.as_role(ROLE)
    theirs.create_secret(Name="test/aws/shared", SecretString='{"password": "theirs"}')
    secret = SecretReference(REGION, "test/aws/shared", ROLE)

    version = secrets.current_version(secret)

    assert secrets.current_value(secret) == (version, {"password": "theirs"})
    assert calls == [("AssumeRole", ""), ("DescribeSecret", ""), ("GetSecretValue", "")]
    own = SecretReference(REGION, "test/aws/shared")
    assert secrets.current_value(own)[1] == {"password": "ours"}


def test_a_role_is_assumed_anew_before_it_expires(
    secrets: AwsSecretsManager, calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    # moto's last an hour, as those of AWS do.
    monkeypatch.setattr(aws, "_RENEW_SECONDS", 3700.0)
    for _ in range(2):
        assert _reason(
            lambda: secrets.current_version(SecretReference(REGION, "test/aws/none", ROLE))
        )
    assert [operation for operation, _ in calls].count("AssumeRole") == 2


@pytest.mark.usefixtures("aws_environment")
def test_a_role_that_may_not_be_assumed_is_told_with_what_it_needs(
    monkeypatch: pytest.MonkeyPatch, calls: Calls
) -> None:
    error = b"<Error><Code>AccessDenied</Code><Message>canary</Message></Error>"
    with _answering(403, b"<ErrorResponse>" + error + b"</ErrorResponse>") as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        needed = rf"{ROLE} .*must trust.*sts:AssumeRole.*sts:TagSession"
        with pytest.raises(SecretError, match=needed) as caught:
            _manager(calls).current_version(SecretReference(REGION, "any", ROLE))
    assert caught.value.reason == Reason.SECRET_ACCESS_DENIED
    assert "canary" not in str(caught.value)
    assert calls == [("AssumeRole", "AccessDenied")]


@pytest.mark.usefixtures("aws_environment")
@pytest.mark.parametrize("body", [b"canary", b"<a/>", b"", b"{}"])
def test_garbage_for_a_role_is_a_source_that_is_away(
    monkeypatch: pytest.MonkeyPatch, calls: Calls, body: bytes
) -> None:
    with _answering(200, body) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        secret = SecretReference(REGION, "any", ROLE)
        assert _reason(lambda: _manager(calls).current_version(secret)) == (
            Reason.SECRET_SOURCE_UNAVAILABLE
        )
