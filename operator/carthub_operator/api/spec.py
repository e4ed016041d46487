"""What a CartService may ask for: the model that the CRD is generated from.

Field names, defaults and descriptions here are what `kubectl explain cartservice.spec` shows.
Rules over several fields are CEL in `crd.py`; the API server enforces them before we see them.
"""

import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

DURATION_PATTERN = "^([0-9]+h)?([0-9]+m)?([0-9]+s)?$"
HOST_PATTERN = "^[A-Za-z0-9]([-A-Za-z0-9.:]*[A-Za-z0-9])?$"
CIDR_PATTERN = "^[0-9a-fA-F.:]+/[0-9]{1,3}$"

Duration = Annotated[str, Field(pattern=DURATION_PATTERN, min_length=2, max_length=20)]
ObjectName = Annotated[
    str, Field(pattern="^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", min_length=1, max_length=253)
]
SecretKey = Annotated[str, Field(pattern="^[-._a-zA-Z0-9]+$", min_length=1, max_length=253)]
Port = Annotated[int, Field(ge=1, le=65535)]
# Parts of Kubernetes' own API that are passed on as they stand; the API server checks them there.
Passthrough = dict[str, Any]


class _Model(BaseModel):
    # Unknown fields are dropped by the API server; one of a newer CRD must not stop this operator.
    model_config = ConfigDict(
        frozen=True, alias_generator=to_camel, populate_by_name=True, extra="ignore"
    )


class Autoscaling(_Model):
    """The HorizontalPodAutoscaler."""

    enabled: bool = Field(
        True, description="Whether the number of pods follows the load. Off: spec.replicas."
    )
    min_replicas: int = Field(2, ge=1, le=1000, description="The fewest pods.")
    max_replicas: int = Field(15, ge=1, le=1000, description="The most pods.")
    target_cpu: int = Field(
        70,
        ge=1,
        le=1000,
        alias="targetCPUUtilizationPercentage",
        description="Average CPU use to aim at, in percent of the CPU request.",
    )
    target_memory: int = Field(
        80,
        ge=1,
        le=1000,
        alias="targetMemoryUtilizationPercentage",
        description="Average memory use to aim at, in percent of the memory request.",
    )
    behavior: Passthrough | None = Field(
        None, description="Scaling rates, as in HorizontalPodAutoscaler.spec.behavior."
    )


class CertificateAuthority(_Model):
    """A key of a ConfigMap."""

    name: ObjectName = Field(description="The ConfigMap's name, in the resource's namespace.")
    key: SecretKey = Field("ca.crt", description="The key that holds the PEM bundle.")


class DatabaseCA(_Model):
    """Where the certificates are that the database's certificate is verified with."""

    config_map: CertificateAuthority = Field(description="A ConfigMap that holds them.")


class CredentialKeys(_Model):
    """Which keys of the secret hold what."""

    username: SecretKey = Field("username", description="The key of the user name.")
    password: SecretKey = Field("password", description="The key of the password.")
    host: SecretKey = Field("host", description="The key of the host, if the secret carries it.")
    port: SecretKey = Field("port", description="The key of the port, if the secret carries it.")
    dbname: SecretKey = Field(
        "dbname", description="The key of the database name, if the secret carries it."
    )


class SecretsManager(_Model):
    """A secret in AWS Secrets Manager, a JSON object."""

    secret_id: str = Field(
        min_length=1,
        max_length=2048,
        pattern="^[-a-zA-Z0-9/_+=.@!:]+$",
        description="Name or ARN of the secret.",
    )
    region: str = Field(
        pattern="^[a-z]{2}(-[a-z]+)+-[0-9]+$",
        max_length=40,
        description="The AWS region that holds it, such as eu-west-1.",
    )
    refresh_interval: Duration = Field(
        "60s", description="How often to look for a new version, at least 10s."
    )
    keys: CredentialKeys = Field(
        default_factory=CredentialKeys, description="Which keys hold what."
    )


class ExistingSecret(_Model):
    """A Secret in the resource's namespace that somebody else keeps."""

    name: ObjectName = Field(description="Its name.")
    refresh_interval: Duration = Field(
        "60s", description="How often to look for a change, at least 10s."
    )
    keys: CredentialKeys = Field(
        default_factory=CredentialKeys, description="Which keys hold what."
    )


class Credentials(_Model):
    """Where user name and password come from: exactly one source."""

    secrets_manager: SecretsManager | None = Field(
        None, description="AWS Secrets Manager; followed when the secret rotates."
    )
    existing_secret: ExistingSecret | None = Field(
        None, description="A Secret of this namespace; followed when it changes."
    )


class Migrations(_Model):
    """The Job that brings the schema up before a rollout."""

    enabled: bool = Field(True, description="Whether the operator runs migrations.")
    timeout: Duration = Field("10m", description="How long the Job may take.")
    owner_role: str = Field(
        "carthub_owner",
        pattern="^[a-z_][a-z0-9_]*$",
        max_length=63,
        description="The NOLOGIN role that owns the tables; the login must be a member of it.",
    )


class Database(_Model):
    """The PostgreSQL database."""

    host: str | None = Field(
        None,
        pattern=HOST_PATTERN,
        max_length=253,
        description="Its host name or address. May be left out where the secret has it.",
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
        description="libpq's sslmode. Left out: verify-full with a CA, else require.",
    )
    ca: DatabaseCA | None = Field(None, description="What verifies the server's certificate.")
    credentials: Credentials = Field(description="Where user name and password come from.")
    migrations: Migrations = Field(
        default_factory=Migrations, description="The migrations before a rollout."
    )
    cidrs: list[Annotated[str, Field(pattern=CIDR_PATTERN, max_length=43)]] = Field(
        default_factory=list,
        max_length=64,
        description="Where the database may be, for the network policy, which cannot name hosts."
        " Empty: any address, on the database's port only.",
    )


class Network(_Model):
    """What the network policy opens beside the resource's own namespace."""

    allow_from: list[Passthrough] = Field(
        default_factory=list,
        max_length=64,
        description="More peers that may call the API, each a NetworkPolicyPeer.",
    )
    metrics_from: list[Passthrough] = Field(
        default_factory=list,
        max_length=64,
        description="Peers that may scrape the metrics port, each a NetworkPolicyPeer.",
    )
    allow_to: list[Passthrough] = Field(
        default_factory=list,
        max_length=64,
        description="More egress rules, each a NetworkPolicyEgressRule.",
    )


class ServiceAccount(_Model):
    """The pods' ServiceAccount."""

    annotations: dict[str, str] = Field(
        default_factory=dict, description="Annotations, such as eks.amazonaws.com/role-arn."
    )


class Resources(_Model):
    """Requests and limits of the API's container; the default applies as a whole."""

    requests: dict[str, str | int] = Field(
        default_factory=dict, description="What is reserved on a node."
    )
    limits: dict[str, str | int] = Field(default_factory=dict, description="What may be used.")


def default_resources() -> Resources:
    """Return what one worker with its few threads needs; no CPU limit, which would throttle."""
    return Resources(requests={"cpu": "100m", "memory": "128Mi"}, limits={"memory": "256Mi"})


class Scheduling(_Model):
    """Where pods may run."""

    node_selector: dict[str, str] = Field(
        default_factory=dict, description="Labels that a node must have."
    )
    tolerations: list[Passthrough] = Field(
        default_factory=list, max_length=64, description="Taints to tolerate, each a Toleration."
    )
    topology_spread: Literal["zone", "none"] = Field(
        "zone", description="Whether pods are spread evenly over zones."
    )


class DisruptionBudget(_Model):
    """How many pods a drain may take at once."""

    enabled: bool = Field(True, description="Whether there is a PodDisruptionBudget.")
    max_unavailable: int = Field(1, ge=1, le=1000, description="Pods that may be away at once.")


class LocalReference(_Model):
    """An object of the same namespace."""

    name: ObjectName = Field(description="Its name.")


class EnvVar(_Model):
    """A variable of the container."""

    name: str = Field(
        pattern="^[-._a-zA-Z][-._a-zA-Z0-9]*$", max_length=253, description="Its name."
    )
    value: str | None = Field(None, max_length=32768, description="Its value.")
    value_from: Passthrough | None = Field(
        None, description="Where the value comes from, an EnvVarSource."
    )


class CartServiceSpec(_Model):
    """The declared state of one cart backend."""

    image: str = Field(
        min_length=1,
        max_length=500,
        pattern="^[^ ]+$",
        description="The service's image, with a tag or a digest.",
    )
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] = Field(
        "IfNotPresent", description="When a node pulls the image."
    )
    image_pull_secrets: list[LocalReference] = Field(
        default_factory=list, max_length=16, description="Secrets to pull the image with."
    )
    environment: Literal["production", "development"] = Field(
        "production", description="What the service is told as ENVIRONMENT."
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="What the service is told as LOG_LEVEL."
    )
    replicas: int = Field(
        2,
        ge=0,
        le=1000,
        description="How many pods while autoscaling is off. `kubectl scale` writes here.",
    )
    autoscaling: Autoscaling = Field(
        default_factory=Autoscaling, description="The HorizontalPodAutoscaler."
    )
    database: Database = Field(description="The PostgreSQL database.")
    network: Network = Field(default_factory=Network, description="What the network policy opens.")
    service_account: ServiceAccount = Field(
        default_factory=ServiceAccount, description="The pods' ServiceAccount."
    )
    resources: Resources = Field(
        default_factory=default_resources,
        description="Requests and limits of the API's container.",
    )
    scheduling: Scheduling = Field(default_factory=Scheduling, description="Where pods may run.")
    pod_disruption_budget: DisruptionBudget = Field(
        default_factory=DisruptionBudget, description="How many pods a drain may take at once."
    )
    pod_annotations: dict[str, str] = Field(
        default_factory=dict, description="More annotations of the pods."
    )
    pod_labels: dict[str, str] = Field(
        default_factory=dict, description="More labels of the pods; ours cannot be replaced."
    )
    env: list[EnvVar] = Field(
        default_factory=list, max_length=128, description="More variables of the container."
    )
    suspend: bool = Field(
        False, description="Whether the operator leaves the children as they are."
    )


def seconds(duration: str) -> int:
    """Return a duration such as `90s`, `10m` or `1h30m` in seconds."""
    unit_seconds = {"h": 3600, "m": 60, "s": 1}
    return sum(
        int(count) * unit_seconds[unit] for count, unit in re.findall(r"(\d+)([hms])", duration)
    )
