"""AWS Secrets Manager, in the words of our own errors. The only module that imports boto3.

No message carries what AWS answered beyond its error code, and nothing here keeps a value.
"""

import json
import math
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    NoCredentialsError,
    PartialCredentialsError,
)

from carthub_operator.api.conditions import Reason
from carthub_operator.contracts import Place, SecretReference
from carthub_operator.errors import SecretError

if TYPE_CHECKING:
    from types_boto3_secretsmanager import SecretsManagerClient

CURRENT = "AWSCURRENT"
_MOST_CLIENTS = 16
# What AWS shows of us in the logs of who assumed a role.
_SESSION_NAME = "carthub-operator"
_ASSUME = "AssumeRole"
# Before an assumed role expires: a request that is signed now must still be taken.
_RENEW_SECONDS = 300.0
_DENIED = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "DecryptionFailure",
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidClientTokenId",
        "UnrecognizedClientException",
    }
)
_NO_IDENTITY = (CredentialRetrievalError, NoCredentialsError, PartialCredentialsError)
# Operation, error code (empty: none), seconds.
OnCall = Callable[[str, str, float], None]


@dataclass(frozen=True)
class _Client:
    api: "SecretsManagerClient"
    expires_at: float


def default_region() -> str | None:
    """Return the operator's own region, None where nothing names one."""
    # The first is what IRSA and Pod Identity set; boto3 knows the second alone.
    region = os.environ.get("AWS_REGION") or boto3.session.Session().region_name
    return str(region) if region else None


class AwsSecretsManager:
    """The secrets of every region; safe to use from several threads.

    Credentials and endpoint come from the default chain: IRSA, Pod Identity, AWS_ENDPOINT_URL.
    A secret that names a role is read in that role, which lasts an hour (AWS STS, AssumeRole).
    """

    def __init__(
        self,
        *,
        on_call: OnCall,
        pool_size: int,
        connect_seconds: float = 3.0,
        read_seconds: float = 5.0,
    ) -> None:
        self._on_call = on_call
        self._config = Config(
            connect_timeout=connect_seconds,
            read_timeout=read_seconds,
            max_pool_connections=pool_size,
            # One more try for a connection that was closed; the schedule backs off after that.
            # Adaptive: once AWS throttles, a token bucket bounds all requests of a client.
            retries={"total_max_attempts": 2, "mode": "adaptive"},
        )
        self._lock = threading.Lock()
        # A session of our own: the default one is not safe to share between threads.
        self._session = boto3.session.Session()
        # What was used last is last.
        self._clients: dict[Place, _Client] = {}

    def current_version(self, secret: SecretReference) -> str:
        """Return the id of the version that is current; its value is not fetched.

        A secret that waits for its deletion still has one, which nobody may read any more
        (AWS Secrets Manager API Reference, DeleteSecret): that is SecretNotFound.
        """
        api = self._client(secret)
        answer = self._call(
            "DescribeSecret", secret, lambda: api.describe_secret(SecretId=secret.secret_id)
        )
        if "ARN" not in answer:
            raise _garbage("DescribeSecret")
        if "DeletedDate" in answer:
            raise _doomed()
        for version, stages in answer.get("VersionIdsToStages", {}).items():
            if CURRENT in stages:
                return str(version)
        raise SecretError(Reason.SECRET_MALFORMED, f"it has no version labelled {CURRENT}")

    def current_value(self, secret: SecretReference) -> tuple[str, Mapping[str, object]]:
        """Return version id and fields of the current version."""
        api = self._client(secret)
        answer = self._call(
            "GetSecretValue",
            secret,
            lambda: api.get_secret_value(SecretId=secret.secret_id, VersionStage=CURRENT),
        )
        if "VersionId" not in answer:
            raise _garbage("GetSecretValue")
        return answer["VersionId"], _fields(answer.get("SecretString"))

    def _client(self, secret: SecretReference) -> "SecretsManagerClient":
        place = secret.place
        with self._lock:
            known = self._clients.pop(place, None)
            if known is not None and known.expires_at > time.time() + _RENEW_SECONDS:
                self._clients[place] = known
                return known.api
        # Not under the lock: a role whose account does not answer holds up nobody else.
        keys, expires_at = self._assume(secret)
        with self._lock:
            api: SecretsManagerClient = self._session.client(
                "secretsmanager", region_name=secret.region, config=self._config, **keys
            )
            self._clients[place] = _Client(api, expires_at)
            if len(self._clients) > _MOST_CLIENTS:
                # Who may write a CartService may name any region; each client takes megabytes.
                del self._clients[next(iter(self._clients))]
            return api

    def _assume(self, secret: SecretReference) -> tuple[dict[str, Any], float]:
        """Return the keys of the role that a secret is read in, and until when they hold."""
        role = secret.role_arn
        if role is None:
            # The default chain renews its own.
            return {}, math.inf
        with self._lock:
            api = self._session.client("sts", region_name=secret.region, config=self._config)
        answer = self._call(
            _ASSUME,
            secret,
            lambda: api.assume_role(RoleArn=role, RoleSessionName=_SESSION_NAME),
        )
        try:
            keys = answer["Credentials"]
            return {
                "aws_access_key_id": keys["AccessKeyId"],
                "aws_secret_access_key": keys["SecretAccessKey"],
                "aws_session_token": keys["SessionToken"],
            }, keys["Expiration"].timestamp()
        except (KeyError, AttributeError):
            raise _garbage(_ASSUME) from None

    def _call(self, operation: str, secret: SecretReference, request: Callable[[], Any]) -> Any:  # noqa: ANN401 - JSON
        started, code = time.monotonic(), ""
        try:
            return request()
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "Unknown")
            raise _translated(code, operation, secret) from None
        except _NO_IDENTITY as error:
            code = type(error).__name__
            raise SecretError(
                Reason.SECRET_ACCESS_DENIED,
                f"the operator has no identity in AWS ({code}): bind its ServiceAccount to a role"
                " (IRSA or Pod Identity)",
            ) from None
        except BotoCoreError as error:
            code = type(error).__name__
            raise SecretError(
                Reason.SECRET_SOURCE_UNAVAILABLE,
                f"AWS in {secret.region} cannot be reached ({code}): is the region right, and the"
                " operator's way there open?",
            ) from None
        except Exception as error:  # noqa: BLE001 - whatever botocore's parsers choke on
            code = type(error).__name__
            # The cause would quote what was answered.
            raise _garbage(operation) from None
        finally:
            self._on_call(operation, code, time.monotonic() - started)


def _translated(code: str, operation: str, secret: SecretReference) -> SecretError:
    if code == "ResourceNotFoundException":
        return SecretError(
            Reason.SECRET_NOT_FOUND,
            "no such secret in AWS Secrets Manager: create it, or correct secretId and region",
        )
    if code == "InvalidRequestException":
        return _doomed()
    if code in _DENIED and operation == _ASSUME:
        return SecretError(
            Reason.SECRET_ACCESS_DENIED,
            f"AWS refuses the role {secret.role_arn} to the operator ({code}): it must trust the"
            " operator's own role, whose policy must allow it, both for sts:AssumeRole and"
            " sts:TagSession",
        )
    if code in _DENIED:
        return SecretError(
            Reason.SECRET_ACCESS_DENIED,
            f"AWS refuses secretsmanager:{operation} to the operator ({code}): extend the policy"
            f" of {secret.role_arn or 'its role'}",
        )
    return SecretError(Reason.SECRET_SOURCE_UNAVAILABLE, f"AWS answers {code} to {operation}")


def _doomed() -> SecretError:
    return SecretError(
        Reason.SECRET_NOT_FOUND,
        "the secret is scheduled for deletion in AWS: `aws secretsmanager restore-secret` keeps it",
    )


def _garbage(operation: str) -> SecretError:
    """Return what is said where somebody else answers in AWS's place, such as a proxy."""
    return SecretError(
        Reason.SECRET_SOURCE_UNAVAILABLE, f"what answers {operation} does not speak as AWS does"
    )


def _fields(text: str | None) -> Mapping[str, object]:
    """Return the fields of a secret's text; a value that is no JSON object is SecretMalformed."""
    try:
        fields = json.loads(text or "")
    except (ValueError, RecursionError):
        # The cause would quote the value.
        fields = None
    if not isinstance(fields, dict):
        raise SecretError(Reason.SECRET_MALFORMED, "its value is not a JSON object")
    return fields
