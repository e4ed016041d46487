"""The parts of the spec that let the world in: the Ingress, and who scrapes the metrics."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from carthub_operator.api.kubernetes_types import (
    AnnotationValue,
    LabelValue,
    NetworkPolicyPeer,
    ObjectName,
    is_ip,
    legal_keys,
)
from carthub_operator.api.model import Model, Rule

HostName = Annotated[
    str,
    Field(
        pattern=r"^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
        max_length=253,
    ),
]


_CLASS_ANNOTATION = "kubernetes.io/ingress.class"


class IngressTLS(Model):
    """How the Ingress ends TLS."""

    secret_name: ObjectName = Field(
        description="The Secret of type kubernetes.io/tls, in the resource's namespace; such as"
        " cert-manager writes. An ALB takes its certificate from an annotation instead."
    )


class Ingress(Model):
    """The way in from outside the cluster."""

    enabled: bool = Field(False, description="Whether there is an Ingress.")
    class_name: ObjectName = Field(
        "alb",
        description="The IngressClass. For alb, the AWS load balancer, the annotations that it"
        " needs to reach pods are set unless you set them: target-type ip, healthcheck-path.",
    )
    host: HostName | None = Field(
        None, description="The host name it answers to, such as cart.example.com. Left out: any."
    )
    annotations: dict[str, AnnotationValue] = Field(
        default_factory=dict,
        description="Its annotations, such as alb.ingress.kubernetes.io/scheme: internet-facing.",
    )
    tls: IngressTLS | None = Field(None, description="How it ends TLS. Left out: not by a Secret.")
    sources: list[NetworkPolicyPeer] = Field(
        default_factory=list,
        alias="from",
        max_length=32,
        description="Where the load balancer's requests come from, for the network policy: the"
        " pods of an ingress controller, or the networks of an ALB. Empty: from anywhere, as long"
        " as the Ingress is enabled.",
    )
    rules: ClassVar[tuple[Rule, ...]] = (
        legal_keys("annotations", "annotations"),
        Rule(
            cel="!has(self.tls) || has(self.host)",
            message="tls needs a host: the name that the certificate is for",
            holds=lambda it: it.tls is None or it.host is not None,
        ),
        Rule(
            cel="!has(self.host) || !isIP(self.host)",
            message="host must be a name, not an address: leave it out to answer to any",
            holds=lambda it: it.host is None or not is_ip(it.host),
        ),
        Rule(
            cel=f"!has(self.annotations) || !('{_CLASS_ANNOTATION}' in self.annotations)",
            message=f"leave the annotation {_CLASS_ANNOTATION} out: className says it",
            holds=lambda it: _CLASS_ANNOTATION not in it.annotations,
        ),
    )


class Monitoring(Model):
    """How Prometheus finds the metrics."""

    service_monitor: Literal["auto", "never"] = Field(
        "auto",
        description="Whether there is a ServiceMonitor; auto: where the cluster knows that kind."
        " Prometheus must be let in by network.metricsFrom.",
    )
    labels: dict[str, LabelValue] = Field(
        default_factory=dict,
        description="More labels of the ServiceMonitor, for a Prometheus that selects by them.",
    )
    rules: ClassVar[tuple[Rule, ...]] = (legal_keys("labels", "labels"),)
