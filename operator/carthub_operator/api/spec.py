"""What a CartService may ask for: the model that the CRD is generated from.

Field names, defaults and descriptions here are what `kubectl explain cartservice.spec` shows.
"""

import re
from typing import Annotated, ClassVar, Literal

from pydantic import Field, field_validator

from carthub_operator.api import names
from carthub_operator.api.database import Database
from carthub_operator.api.exposure import Ingress, Monitoring
from carthub_operator.api.kubernetes_types import AnnotationValue, LabelValue, legal_keys
from carthub_operator.api.model import Model, Rule
from carthub_operator.api.service import Auth, Cart
from carthub_operator.api.workload import (
    Autoscaling,
    DisruptionBudget,
    EnvVar,
    LocalReference,
    Network,
    Resources,
    Scheduling,
    ServiceAccount,
    default_resources,
)

_IMAGE_PATTERN = (
    r"^[A-Za-z0-9\[\]._:/@-]+(:[A-Za-z0-9_][-A-Za-z0-9_.]{0,127}|@sha256:[a-f0-9]{64})$"
)
# Set by the operator or by Kubernetes itself.
_RESERVED_PREFIXES = ("app.kubernetes.io/", "batch.kubernetes.io/", f"{names.GROUP}/")
_RESERVED_KEYS = ("pod-template-hash", "controller-uid", "job-name")


def _no_reserved_keys(field: str, attribute: str) -> Rule:
    prefixes = " && ".join(f"!key.startsWith('{prefix}')" for prefix in _RESERVED_PREFIXES)
    return Rule(
        cel=f"!has(self.{field}) || self.{field}.all(key, {prefixes}"
        f" && !(key in {list(_RESERVED_KEYS)}))",
        message=f"{field} must not use {', '.join((*_RESERVED_PREFIXES, *_RESERVED_KEYS))}: these"
        " are set for you",
        holds=lambda it: (
            not any(
                key.startswith(_RESERVED_PREFIXES) or key in _RESERVED_KEYS
                for key in getattr(it, attribute)
            )
        ),
    )


def _needs_request(resource: Literal["cpu", "memory"], target: str) -> Rule:
    def holds(spec: "CartServiceSpec") -> bool:
        return not spec.autoscaling.enabled or spec.resources.asks_for(resource)

    given = " || ".join(
        f"self.resources.?{part}.?{name}.hasValue()"
        for part in ("requests", "limits")
        for name in ("cpu", "memory", "ephemeral__dash__storage")
    )
    return Rule(
        # Without any amount the default applies as a whole.
        cel=f"!self.autoscaling.enabled || !({given})"
        f" || self.resources.?requests.?{resource}.hasValue()"
        f" || self.resources.?limits.?{resource}.hasValue()",
        message=f"autoscaling.{target} is a share of the request: give"
        f" resources.requests.{resource}, or leave resources out",
        holds=holds,
    )


class CartServiceSpec(Model):
    """What this cart backend is to be; image and database are all it needs."""

    image: str = Field(
        min_length=1,
        max_length=500,
        description="The service's image with a tag or a digest, such as"
        " registry.example.com/carthub-service:1.4.0. A new one is migrated, then rolled out.",
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
        default_factory=Autoscaling,
        description="The HorizontalPodAutoscaler: on, unless it is switched off.",
    )
    database: Database = Field(
        description="The PostgreSQL database: where it is and how to get into it."
    )
    network: Network = Field(
        default_factory=Network,
        description="What the network policy opens besides the API for pods of the own namespace,"
        " DNS and the database. All else is closed, in both directions.",
    )
    ingress: Ingress = Field(
        default_factory=Ingress, description="The way in from outside the cluster; off by default."
    )
    monitoring: Monitoring = Field(
        default_factory=Monitoring, description="How Prometheus finds the metrics."
    )
    service_account: ServiceAccount = Field(
        default_factory=ServiceAccount, description="The pods' ServiceAccount."
    )
    auth: Auth = Field(
        default_factory=Auth,
        description="Whose tokens callers of the API must have. Left out: nobody needs one.",
    )
    cart: Cart = Field(default_factory=Cart, description="What a cart may hold, and for how long.")
    resources: Resources = Field(
        default_factory=default_resources,
        description="Requests and limits of the container. The default applies as a whole: as"
        " soon as one amount is given here, only what is given here counts.",
    )
    scheduling: Scheduling = Field(default_factory=Scheduling, description="Where pods may run.")
    pod_disruption_budget: DisruptionBudget = Field(
        default_factory=DisruptionBudget, description="How many pods a drain may take at once."
    )
    pod_annotations: dict[str, AnnotationValue] = Field(
        default_factory=dict, description="More annotations of the pods; a change rolls them."
    )
    pod_labels: dict[str, LabelValue] = Field(
        default_factory=dict, description="More labels of the pods; a change rolls them."
    )
    env: Annotated[list[EnvVar], Field(max_length=128)] = Field(
        default_factory=list,
        description="More variables of the container. Those that the operator sets are refused.",
    )
    suspend: bool = Field(
        False,
        description="Whether the operator leaves all children as they are, even when they are"
        " changed or deleted. Status is still told.",
    )
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel=f"self.image.matches(r'{_IMAGE_PATTERN}')",
            message="image must end in a tag or a digest, such as"
            " registry.example.com/carthub-service:1.4.0",
            holds=lambda it: re.fullmatch(_IMAGE_PATTERN, it.image) is not None,
        ),
        _needs_request("cpu", "targetCPUUtilizationPercentage"),
        _needs_request("memory", "targetMemoryUtilizationPercentage"),
        legal_keys("podLabels", "pod_labels"),
        legal_keys("podAnnotations", "pod_annotations"),
        _no_reserved_keys("podLabels", "pod_labels"),
        _no_reserved_keys("podAnnotations", "pod_annotations"),
    )

    @field_validator("resources", mode="after")
    @classmethod
    def _default_as_a_whole(cls, given: Resources) -> Resources:
        return default_resources() if given.is_empty else given
