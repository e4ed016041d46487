"""AWS on this machine: moto's server as a process of its own, and the secrets a test needs.

Values move as they do in AWS: a new version is pending until the label AWSCURRENT moves to it.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import boto3
from botocore.config import Config

from carthub_dev import ports, probe
from carthub_dev.errors import ProcessEnded
from carthub_dev.ledger import Ledger
from carthub_dev.part import Part
from carthub_dev.processes import Process

if TYPE_CHECKING:
    from types_boto3_secretsmanager import SecretsManagerClient

REGION = "eu-west-1"
# moto takes any; those of a developer must never be sent to it.
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": REGION,
}

_KEYS = {
    "aws_access_key_id": ENVIRONMENT["AWS_ACCESS_KEY_ID"],
    "aws_secret_access_key": ENVIRONMENT["AWS_SECRET_ACCESS_KEY"],
}
_READY_SECONDS = 60.0


class AwsServer(Part):
    """moto's server on a free port of an address."""

    def __init__(
        self,
        ledger: Ledger,
        *,
        address: str = "127.0.0.1",
        find_port: ports.FindPort = ports.free_port,
    ) -> None:
        self.address = address
        self.port = 0
        self.folder = Path()
        self._ledger = ledger
        self._find_port = find_port
        self._process: Process | None = None

    @property
    def endpoint_url(self) -> str:
        """What goes into AWS_ENDPOINT_URL."""
        return f"http://{self.address}:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """The variables that lead boto3 here and nowhere else."""
        return {**ENVIRONMENT, "AWS_ENDPOINT_URL": self.endpoint_url}

    @property
    def process(self) -> Process:
        """The server's process: `signal(SIGSTOP)` makes AWS hang."""
        if self._process is None:
            raise ProcessEnded("moto is not started")
        return self._process

    def secrets_manager(self) -> "SecretsManagerClient":
        """Return a Secrets Manager client for this server."""
        return secrets_manager(self.endpoint_url)

    def as_role(self, role_arn: str) -> "SecretsManagerClient":
        """Return a Secrets Manager client in a role, and so in the account that it names."""
        tokens = boto3.client("sts", **_options(self.endpoint_url, _KEYS))
        keys = tokens.assume_role(RoleArn=role_arn, RoleSessionName="tests")["Credentials"]
        client: SecretsManagerClient = boto3.client(
            "secretsmanager",
            **_options(
                self.endpoint_url,
                {
                    "aws_access_key_id": keys["AccessKeyId"],
                    "aws_secret_access_key": keys["SecretAccessKey"],
                    "aws_session_token": keys["SessionToken"],
                },
            ),
        )
        return client

    def put_secret(self, secret_id: str, value: Mapping[str, object] | str) -> str:
        """Create a secret and return its ARN; text is stored as it is, for broken secrets."""
        created = self.secrets_manager().create_secret(Name=secret_id, SecretString=_text(value))
        return created["ARN"]

    def rotate(self, secret_id: str, value: Mapping[str, object] | str) -> str:
        """Give a secret a new value the way a rotation does, and return its version id."""
        client = self.secrets_manager()
        stages = client.describe_secret(SecretId=secret_id)["VersionIdsToStages"]
        current = next(version for version, held in stages.items() if "AWSCURRENT" in held)
        pending = client.put_secret_value(
            SecretId=secret_id, SecretString=_text(value), VersionStages=["AWSPENDING"]
        )["VersionId"]
        self.move_current(secret_id, to=pending, away_from=current)
        return pending

    def move_current(self, secret_id: str, *, to: str, away_from: str) -> None:
        """Move the label AWSCURRENT from one version to another."""
        self.secrets_manager().update_secret_version_stage(
            SecretId=secret_id,
            VersionStage="AWSCURRENT",
            MoveToVersionId=to,
            RemoveFromVersionId=away_from,
        )

    def delete_secret(self, secret_id: str) -> None:
        """Delete a secret for good."""
        self.secrets_manager().delete_secret(SecretId=secret_id, ForceDeleteWithoutRecovery=True)

    def start(self) -> Self:
        """Start the server; after `stop` on the same port, and empty."""
        if self._process is not None:
            self._wait_until_ready(self._process.start())
            return self
        self.folder = self._ledger.make_directory("aws")
        try:
            self._process, _ = ports.start_on_free_port(
                self.address, self._process_on, self._wait_until_ready, find_port=self._find_port
            )
        except BaseException:
            self.close()
            raise
        return self

    def stop(self) -> None:
        """Stop the server: nobody answers, and all it held is forgotten."""
        self.process.terminate()

    def close(self) -> None:
        """End the server and remove its log."""
        if self._process is not None:
            self._process.terminate()
            self._process = None
        self._ledger.remove_directory(self.folder)

    def _process_on(self, port: int) -> Process:
        self.port = port
        return Process(
            [sys.executable, "-m", "moto.server", "-H", self.address, "-p", str(port)],
            log=self.folder / "moto.log",
            ledger=self._ledger,
            role="moto",
        )

    def _wait_until_ready(self, process: Process) -> None:
        process.wait_until_ready(self._answers, _READY_SECONDS)

    def _answers(self) -> bool:
        return probe.answers(f"{self.endpoint_url}/moto-api/")


def secrets_manager(endpoint_url: str) -> "SecretsManagerClient":
    """Return a Secrets Manager client for a server of ours, whatever the environment names."""
    client: SecretsManagerClient = boto3.client("secretsmanager", **_options(endpoint_url, _KEYS))
    return client


def _options(endpoint_url: str, keys: Mapping[str, str]) -> dict[str, Any]:
    return {
        "endpoint_url": endpoint_url,
        "region_name": REGION,
        "config": Config(proxies={}, retries={"total_max_attempts": 1}),
        **keys,
    }


def _text(value: Mapping[str, object] | str) -> str:
    return value if isinstance(value, str) else json.dumps(value)
