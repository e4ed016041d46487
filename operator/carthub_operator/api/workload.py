"""The parts of the spec that speak of pods: how many, how big, where, and who may reach them."""

from typing import ClassVar, Literal

from pydantic import Field

from carthub_operator.api import names
from carthub_operator.api.kubernetes_types import (
    AnnotationValue,
    EgressRule,
    EnvVarSource,
    LabelValue,
    NetworkPolicyPeer,
    ObjectName,
    Quantity,
    Toleration,
    legal_keys,
)
from carthub_operator.api.model import Model, Rule
from carthub_operator.api.quantities import quantity


class ScalingPolicy(Model):
    """How far one step may go."""

    type: Literal["Pods", "Percent"] = Field(description="What `value` counts.")
    value: int = Field(
        ge=1, le=2**31 - 1, description="The most pods, or percent of them, in one period."
    )
    period_seconds: int = Field(ge=1, le=1800, description="How long the period is.")


class ScalingRules(Model):
    """Scaling in one direction."""

    stabilization_window_seconds: int | None = Field(
        None, ge=0, le=3600, description="How long to look back before a step is taken."
    )
    select_policy: Literal["Max", "Min", "Disabled"] | None = Field(
        None, description="Which policy counts. Left out: the one that goes furthest."
    )
    policies: list[ScalingPolicy] | None = Field(
        None, min_length=1, max_length=16, description="How far a step may go."
    )


class ScalingBehavior(Model):
    """How fast the autoscaler moves, as in HorizontalPodAutoscaler.spec.behavior."""

    scale_up: ScalingRules | None = Field(None, description="Adding pods.")
    scale_down: ScalingRules | None = Field(None, description="Removing pods.")


class Autoscaling(Model):
    """The HorizontalPodAutoscaler."""

    enabled: bool = Field(
        True,
        description="Whether the number of pods follows the load. While it does, spec.replicas"
        " has no effect; when it is switched off the number goes to spec.replicas.",
    )
    min_replicas: int = Field(
        2, ge=1, le=1000, description="The fewest pods; a new backend starts with as many."
    )
    max_replicas: int = Field(15, ge=1, le=1000, description="The most pods.")
    target_cpu: int = Field(
        70,
        ge=1,
        le=1000,
        alias="targetCPUUtilizationPercentage",
        description="Average CPU use to aim at, in percent of resources.requests.cpu.",
    )
    target_memory: int = Field(
        80,
        ge=1,
        le=1000,
        alias="targetMemoryUtilizationPercentage",
        description="Average memory use to aim at, in percent of resources.requests.memory.",
    )
    behavior: ScalingBehavior | None = Field(
        None,
        description="How fast pods are added and removed, as in"
        " HorizontalPodAutoscaler.spec.behavior. Left out: as Kubernetes does it.",
    )
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="self.minReplicas <= self.maxReplicas",
            message="minReplicas is above maxReplicas: raise maxReplicas or lower minReplicas",
            holds=lambda it: it.min_replicas <= it.max_replicas,
        ),
    )


class Network(Model):
    """What the network policy opens beside the resource's own namespace."""

    allow_from: list[NetworkPolicyPeer] = Field(
        default_factory=list,
        max_length=32,
        description="Who else may call the API, such as an ingress controller or the network of a"
        " load balancer. Pods of the own namespace always may.",
    )
    metrics_from: list[NetworkPolicyPeer] = Field(
        default_factory=list,
        max_length=32,
        description=f"Who may scrape the metrics port {names.METRICS_PORT}. Empty: nobody.",
    )
    allow_to: list[EgressRule] = Field(
        default_factory=list,
        max_length=32,
        description="Where pods may connect to besides DNS and the database, such as an identity"
        " provider or a trace collector.",
    )


class ServiceAccount(Model):
    """The pods' ServiceAccount."""

    annotations: dict[str, AnnotationValue] = Field(
        default_factory=dict,
        description="Its annotations: eks.amazonaws.com/role-arn gives the pods an AWS role"
        " (IRSA). EKS Pod Identity needs none.",
    )
    rules: ClassVar[tuple[Rule, ...]] = (legal_keys("annotations", "annotations"),)


class ResourceList(Model):
    """Amounts of what a node has."""

    cpu: Quantity | None = Field(None, description="Processor time: 100m is a tenth of a core.")
    memory: Quantity | None = Field(None, description="Memory, such as 128Mi.")
    ephemeral_storage: Quantity | None = Field(
        None, alias="ephemeral-storage", description="Space on the node's disk, such as 1Gi."
    )


def _fits(field: str, attribute: str) -> Rule:
    cel = field.replace("-", "__dash__")

    def holds(resources: "Resources") -> bool:
        requested = resources.requests and getattr(resources.requests, attribute)
        limit = resources.limits and getattr(resources.limits, attribute)
        return not requested or not limit or quantity(requested) <= quantity(limit)

    return Rule(
        cel=f"!self.?requests.?{cel}.hasValue() || !self.?limits.?{cel}.hasValue() ||"
        f" quantity(string(self.requests.{cel})).compareTo(quantity(string(self.limits.{cel})))"
        " <= 0",
        message=f"requests.{field} is above limits.{field}: raise the limit or lower the request",
        holds=holds,
    )


class Resources(Model):
    """Requests and limits of the container."""

    requests: ResourceList | None = Field(
        None, description="What is reserved on a node; the autoscaler's percentages count from it."
    )
    limits: ResourceList | None = Field(
        None,
        description="What may be used at most: above its memory a pod is ended, above its CPU it"
        " waits.",
    )
    rules: ClassVar[tuple[Rule, ...]] = (
        _fits("cpu", "cpu"),
        _fits("memory", "memory"),
        _fits("ephemeral-storage", "ephemeral_storage"),
    )

    def asks_for(self, resource: Literal["cpu", "memory"]) -> bool:
        """Return whether an amount of it is requested; a limit alone is also a request."""
        amounts = (self.requests, self.limits)
        return any(getattr(given, resource) is not None for given in amounts if given is not None)

    @property
    def is_empty(self) -> bool:
        """Whether no amount of anything is given."""
        return not any(self.manifest().values())


def default_resources() -> Resources:
    """Return what one worker with its few threads needs; no CPU limit, which would throttle."""
    return Resources(
        requests=ResourceList(cpu="100m", memory="128Mi"), limits=ResourceList(memory="256Mi")
    )


class Scheduling(Model):
    """Where pods may run."""

    node_selector: dict[str, LabelValue] = Field(
        default_factory=dict, description="Labels that a node must have, with their values."
    )
    tolerations: list[Toleration] = Field(
        default_factory=list, max_length=32, description="Taints of nodes to put up with."
    )
    topology_spread: Literal["zone", "none"] = Field(
        "zone",
        description="Whether pods are spread evenly over zones. In any case they keep off nodes"
        " that already run one, where there is a choice.",
    )
    rules: ClassVar[tuple[Rule, ...]] = (legal_keys("nodeSelector", "node_selector"),)


class DisruptionBudget(Model):
    """How many pods a drain may take at once."""

    enabled: bool = Field(True, description="Whether there is a PodDisruptionBudget.")
    max_unavailable: int = Field(
        1,
        ge=1,
        le=1000,
        description="Pods that may be away at once. With as many missing the backend still counts"
        " as available.",
    )


class LocalReference(Model):
    """An object of the same namespace."""

    name: ObjectName = Field(description="Its name.")


class EnvVar(Model):
    """A variable of the container."""

    name: str = Field(
        pattern="^[-._a-zA-Z][-._a-zA-Z0-9]*$", max_length=253, description="Its name."
    )
    value: str | None = Field(None, max_length=32768, description="Its value.")
    value_from: EnvVarSource | None = Field(
        None, description="Where its value comes from instead, such as a key of a Secret."
    )
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel=f"!(self.name in {list(names.OWNED_ENV)})",
            message="this variable is set by the operator: remove it from env",
            message_cel="self.name + ' is set by the operator: remove it from env'",
            holds=lambda it: it.name not in names.OWNED_ENV,
        ),
        Rule(
            cel="!(has(self.value) && has(self.valueFrom))",
            message="give value or valueFrom, not both",
            holds=lambda it: it.value is None or it.value_from is None,
        ),
    )
