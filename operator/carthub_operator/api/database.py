"""The part of the spec that speaks of the database and of how to get into it."""

import re
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from carthub_operator.api.durations import Duration, seconds
from carthub_operator.api.kubernetes_types import Cidr, DataKey, ObjectName, is_cidr, is_ip
from carthub_operator.api.model import Model, Rule

_HOST_PATTERN = "^[A-Za-z0-9:]([-_A-Za-z0-9.:]*[A-Za-z0-9:])?$"
_HOST_LENGTH = 253
Port = Annotated[int, Field(ge=1, le=65535)]
LEAST_SECONDS = 10
# arn:partition:service:region:account:secret:name
_ARN_COLONS, _ARN_REGION = 6, 3


def _at_least_ten_seconds(field: str, attribute: str) -> Rule:
    return Rule(
        cel=f"duration(self.{field}) >= duration('{LEAST_SECONDS}s')",
        message=f"{field} must be at least {LEAST_SECONDS}s",
        holds=lambda it: seconds(getattr(it, attribute)) >= LEAST_SECONDS,
    )


class CertificateAuthority(Model):
    """A key of a ConfigMap."""

    name: ObjectName = Field(description="The ConfigMap's name, in the resource's namespace.")
    key: DataKey = Field("ca.crt", description="The key that holds the certificates, as PEM.")


class DatabaseCA(Model):
    """Where the certificates are that the database's certificate is verified with."""

    config_map: CertificateAuthority = Field(
        description="A ConfigMap that holds them, such as Amazon's bundle for RDS."
    )


class CredentialKeys(Model):
    """Which keys of the secret hold what."""

    username: DataKey = Field("username", description="The key of the user name.")
    password: DataKey = Field("password", description="The key of the password.")
    host: DataKey = Field("host", description="The key of the host, if the secret carries it.")
    port: DataKey = Field("port", description="The key of the port, if the secret carries it.")
    dbname: DataKey = Field(
        "dbname", description="The key of the database name, if the secret carries it."
    )


class SecretsManager(Model):
    """A secret in AWS Secrets Manager, a JSON object."""

    secret_id: str = Field(
        min_length=1,
        max_length=2048,
        pattern="^[-a-zA-Z0-9/_+=.@!:]+$",
        description="Name or ARN of the secret, such as prod/carthub/db. Whoever runs the operator"
        " lists which namespaces may use which secrets.",
    )
    region: str | None = Field(
        None,
        pattern="^[a-z]{2}(-[a-z]+)+-[0-9]+$",
        max_length=40,
        description="The AWS region that holds it, such as eu-west-1. Left out: the one that an"
        " ARN names, else the operator's own.",
    )
    role_arn: str | None = Field(
        None,
        pattern="^arn:aws(-[a-z]+)*:iam::[0-9]{12}:role/[-A-Za-z0-9+=,.@_/]+$",
        max_length=2048,
        description="A role to read it in, such as one of another account that holds the secret."
        " Left out: the operator's own. Whoever runs the operator lists which namespaces may use"
        " which roles.",
    )
    refresh_interval: Duration = Field(
        "60s",
        description="How often to look for a new version, at least 10s. A new value of the"
        " annotation carthub.io/sync looks at once.",
    )
    keys: CredentialKeys = Field(
        default_factory=CredentialKeys, description="Which keys of the JSON object hold what."
    )
    rules: ClassVar[tuple[Rule, ...]] = (
        _at_least_ten_seconds("refreshInterval", "refresh_interval"),
        Rule(
            cel="!self.secretId.startsWith('arn:') || self.secretId.split(':').size() >= 7",
            message="secretId begins as an ARN and is none, such as"
            " arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/db-AbCdEf",
            holds=lambda it: not it.is_arn or it.secret_id.count(":") >= _ARN_COLONS,
        ),
        Rule(
            cel="!self.secretId.startsWith('arn:') || !has(self.region)"
            " || self.secretId.split(':').size() < 4 || self.secretId.split(':')[3] == self.region",
            message="region is not the one that the ARN names: leave region out",
            holds=lambda it: it.region is None or it.region_of_arn in {None, it.region},
        ),
    )

    @property
    def is_arn(self) -> bool:
        """Return whether the id is an ARN."""
        return self.secret_id.startswith("arn:")

    @property
    def region_of_arn(self) -> str | None:
        """Return the region that an ARN names, None for a name."""
        parts = self.secret_id.split(":")
        return parts[_ARN_REGION] if self.is_arn and len(parts) > _ARN_REGION else None


class ExistingSecret(Model):
    """A Secret in the resource's namespace that somebody else keeps."""

    name: ObjectName = Field(description="Its name.")
    refresh_interval: Duration = Field(
        "60s",
        description="How often to look for a change, at least 10s. A new value of the annotation"
        " carthub.io/sync looks at once.",
    )
    keys: CredentialKeys = Field(
        default_factory=CredentialKeys, description="Which keys of the Secret hold what."
    )
    rules: ClassVar[tuple[Rule, ...]] = (
        _at_least_ten_seconds("refreshInterval", "refresh_interval"),
    )


class Credentials(Model):
    """Where user name and password come from: exactly one source."""

    secrets_manager: SecretsManager | None = Field(
        None, description="AWS Secrets Manager; followed when the secret rotates."
    )
    existing_secret: ExistingSecret | None = Field(
        None, description="A Secret of this namespace; followed when it changes."
    )
    check_login: bool = Field(
        True,
        description="Whether a new value must be able to log in before it replaces a good one. A"
        " database that the operator cannot reach is no refusal.",
    )
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="has(self.secretsManager) != has(self.existingSecret)",
            message="give exactly one source of credentials: secretsManager or existingSecret",
            holds=lambda it: (it.secrets_manager is None) != (it.existing_secret is None),
        ),
    )


class Migrations(Model):
    """The Job that brings the schema up before a rollout."""

    enabled: bool = Field(
        True,
        description="Whether the new image's migrations run before its pods do. Off: the schema"
        " is your business.",
    )
    timeout: Duration = Field(
        "10m",
        description="How long the Job may take, at least 10s. After it the migration has failed"
        " and the version before goes on serving.",
    )
    owner_role: str = Field(
        "carthub_owner",
        pattern="^[a-z_][a-z0-9_]*$",
        max_length=63,
        description="The NOLOGIN role that owns the tables; the login must be a member of it.",
    )
    rules: ClassVar[tuple[Rule, ...]] = (_at_least_ten_seconds("timeout", "timeout"),)


class Database(Model):
    """The PostgreSQL database."""

    host: str | None = Field(
        None,
        pattern=_HOST_PATTERN,
        max_length=_HOST_LENGTH,
        description="Its host name or address. May be left out where the secret has it; secrets"
        " that RDS manages do not.",
    )
    port: Port | None = Field(None, description="Its port. Left out: the secret's, else 5432.")
    name: str | None = Field(
        None,
        min_length=1,
        max_length=63,
        description="The database's name. Left out: the secret's, else carthub.",
    )
    ssl_mode: Literal["disable", "require", "verify-ca", "verify-full"] | None = Field(
        None,
        description="libpq's sslmode. Left out: verify-full with a CA, else require. Only"
        " verify-full keeps a false server from reading the password.",
    )
    ca: DatabaseCA | None = Field(None, description="What verifies the server's certificate.")
    credentials: Credentials = Field(
        description="Where user name and password come from: exactly one source."
    )
    migrations: Migrations = Field(
        default_factory=Migrations, description="The migrations before a rollout."
    )
    cidrs: list[Cidr] = Field(
        default_factory=list,
        max_length=64,
        description="Networks that the database may be in, such as 10.20.0.0/16, for the network"
        " policy, which cannot name hosts. Empty: any address, on the database's port only.",
    )
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="!has(self.host) || !self.host.contains(':') || isIP(self.host)",
            message="host must be a host name or an address alone: give the port as database.port",
            holds=lambda it: it.host is None or ":" not in it.host or is_ip(it.host),
        ),
        Rule(
            cel="!has(self.cidrs) || self.cidrs.all(cidr, isCIDR(cidr))",
            message="cidrs must be networks such as 10.20.0.0/16",
            holds=lambda it: all(map(is_cidr, it.cidrs)),
        ),
        Rule(
            cel="!has(self.sslMode) || !self.sslMode.startsWith('verify-') || has(self.ca)",
            message="sslMode verify-ca and verify-full need a certificate authority: give"
            " ca.configMap, or leave sslMode out",
            holds=lambda it: it.ca is not None or it.ssl_mode not in {"verify-ca", "verify-full"},
        ),
    )


def is_host(text: str) -> bool:
    """Return whether it is a host name or an address alone, as the spec's `host` must be."""
    is_formed = re.fullmatch(_HOST_PATTERN, text) is not None and len(text) <= _HOST_LENGTH
    return is_formed and (":" not in text or is_ip(text))
