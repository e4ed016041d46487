"""The parts of Kubernetes' own API that a spec carries, field by field.

Typed, so that `kubectl explain` shows them and a misspelt field is refused when it is applied
and not when the child is. Left out is None: an empty selector means something else than none.
No defaults: inside list items, GitOps tools show them as drift.
"""

import ipaddress
import re
from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from carthub_operator.api.model import Model, Rule

QUANTITY_PATTERN = (
    r"^(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))"
    r"(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?[0-9]{1,2}))?$"
)
QUALIFIED_NAME = (
    "^([a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?"
    "[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$"
)  # fmt: skip

# An IANA service name; at least one letter.
PORT_NAME_PATTERN = "^([a-z0-9]+-)*[0-9]*[a-z][a-z0-9]*(-[a-z0-9]+)*$"

Quantity = Annotated[
    str,
    BeforeValidator(lambda value: str(value) if isinstance(value, int) else value),
    Field(pattern=QUANTITY_PATTERN, max_length=30),
    WithJsonSchema(
        {
            "x-kubernetes-int-or-string": True,
            "minimum": 0,
            "pattern": QUANTITY_PATTERN,
            "maxLength": 30,
        }
    ),
]
PortReference = Annotated[
    Annotated[int, Field(ge=1, le=65535, strict=True)]
    | Annotated[str, Field(pattern=PORT_NAME_PATTERN, max_length=15)],
    WithJsonSchema(
        {
            "x-kubernetes-int-or-string": True,
            "minimum": 1,
            "maximum": 65535,
            "pattern": PORT_NAME_PATTERN,
            "maxLength": 15,
        }
    ),
]
LabelValue = Annotated[
    str, Field(max_length=63, pattern="^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$")
]
AnnotationValue = Annotated[str, Field(max_length=4096)]
Cidr = Annotated[str, Field(max_length=49, pattern="^[0-9a-fA-F.:]+/[0-9]{1,3}$")]
ObjectName = Annotated[
    str,
    Field(
        pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
        min_length=1,
        max_length=253,
    ),
]
# Neither "..", nor beginning with it.
DataKey = Annotated[
    str, Field(pattern=r"^\.?[-_a-zA-Z0-9][-._a-zA-Z0-9]*$", min_length=1, max_length=253)
]


def is_cidr(text: str) -> bool:
    """Return whether the API server takes it for a network, as CEL's isCIDR does."""
    address, _, _ = text.partition("/")
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return is_ip(address)


def is_part(text: str, whole: str) -> bool:
    """Return whether a network is a smaller part of another; what is none counts as one."""
    if not is_cidr(text) or not is_cidr(whole):
        return True
    part = ipaddress.ip_network(text, strict=False)
    of = ipaddress.ip_network(whole, strict=False)
    return part.version == of.version and part.prefixlen > of.prefixlen and part.subnet_of(of)  # type: ignore[arg-type] # of one version


def is_ip(text: str) -> bool:
    """Return whether it is an address in one of the forms that CEL's isIP takes."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    is_mapped = isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None
    return not is_mapped and "%" not in text


def legal_keys(field: str, attribute: str) -> Rule:
    """Return the rule that the keys of a map are those of labels or annotations."""
    return Rule(
        cel=f"!has(self.{field}) || self.{field}.all(key, size(key) <= 317"
        f" && key.matches('{QUALIFIED_NAME}'))",
        message=f"keys of {field} must be names such as team or example.com/team: letters, digits,"
        " '-', '_' and '.', at most 63 of them after the '/'",
        holds=lambda it: all(
            len(key) <= 317 and re.fullmatch(QUALIFIED_NAME, key)  # noqa: PLR2004 - 253 + / + 63
            for key in getattr(it, attribute) or ()
        ),
    )


class LabelRequirement(Model):
    """A label and what its value must be."""

    key: str = Field(max_length=317, pattern=QUALIFIED_NAME, description="The label's key.")
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"] = Field(
        description="How the label's value relates to `values`."
    )
    values: list[LabelValue] | None = Field(
        None, max_length=64, description="For In and NotIn: one of these, none of these."
    )
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="(self.operator in ['In', 'NotIn'])"
            " == (has(self.values) && self.values.size() > 0)",
            message="give values with operator In and NotIn, and none with Exists and DoesNotExist",
            holds=lambda it: (it.operator in {"In", "NotIn"}) == bool(it.values),
        ),
    )


class LabelSelector(Model):
    """Which objects by their labels; empty: all."""

    match_labels: dict[str, LabelValue] | None = Field(
        None, description="Labels that an object must have, with their values."
    )
    match_expressions: list[LabelRequirement] | None = Field(
        None, max_length=16, description="More that must be so of its labels."
    )
    rules: ClassVar[tuple[Rule, ...]] = (legal_keys("matchLabels", "match_labels"),)


class IPBlock(Model):
    """A network, less some of its parts."""

    cidr: Cidr = Field(description="The network, such as 10.0.0.0/16.")
    excluded: list[Cidr] | None = Field(
        None, alias="except", max_length=16, description="Parts of it that are left out."
    )
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="isCIDR(self.cidr) && (!has(self.except) || self.except.all(c, isCIDR(c)))",
            message="cidr and except must be networks such as 10.0.0.0/16",
            holds=lambda it: all(map(is_cidr, (it.cidr, *(it.excluded or ())))),
        ),
        Rule(
            cel="!isCIDR(self.cidr) || !has(self.except) || self.except.all(c, !isCIDR(c)"
            " || (cidr(self.cidr).containsCIDR(c)"
            " && cidr(c).prefixLength() > cidr(self.cidr).prefixLength()))",
            message="except must be parts of cidr, and smaller than it",
            holds=lambda it: all(is_part(one, it.cidr) for one in it.excluded or ()),
        ),
    )


class NetworkPolicyPeer(Model):
    """Pods, namespaces or a network."""

    pod_selector: LabelSelector | None = Field(
        None,
        description="Pods by label: of the resource's namespace, or of those in"
        " `namespaceSelector`. Empty: all pods.",
    )
    namespace_selector: LabelSelector | None = Field(
        None,
        description="Namespaces by label, such as kubernetes.io/metadata.name. Empty: all.",
    )
    ip_block: IPBlock | None = Field(
        None,
        description="A network; the way to let in a load balancer that has no pods, such as an"
        " ALB in IP mode.",
    )
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="has(self.ipBlock) != (has(self.podSelector) || has(self.namespaceSelector))",
            message="a peer is either an ipBlock, or a podSelector and a namespaceSelector or one"
            " of them",
            holds=lambda it: (
                (it.ip_block is not None)
                != (it.pod_selector is not None or it.namespace_selector is not None)
            ),
        ),
    )


class NetworkPolicyPort(Model):
    """A port, or a range of them."""

    protocol: Literal["TCP", "UDP", "SCTP"] | None = Field(None, description="Left out: TCP.")
    port: PortReference | None = Field(
        None, description="Its number, or the name a pod gives it. Left out: every port."
    )
    end_port: int | None = Field(
        None, ge=1, le=65535, description="The last of a range that begins with `port`."
    )
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="!has(self.endPort) || (has(self.port) && type(self.port) == int"
            " && self.port <= self.endPort)",
            message="endPort needs a port that is a number and not above it",
            holds=lambda it: (
                it.end_port is None or (isinstance(it.port, int) and it.port <= it.end_port)
            ),
        ),
    )


class EgressRule(Model):
    """Where pods may connect to; empty: anywhere."""

    to: list[NetworkPolicyPeer] | None = Field(
        None, max_length=16, description="The peers. Left out: any."
    )
    ports: list[NetworkPolicyPort] | None = Field(
        None, max_length=16, description="The ports. Left out: any."
    )


class Toleration(Model):
    """A taint of nodes that pods put up with."""

    key: str | None = Field(
        None, max_length=317, pattern=QUALIFIED_NAME, description="The taint's key. None: any."
    )
    operator: Literal["Exists", "Equal"] | None = Field(
        None, description="Exists: whatever its value. Left out: Equal."
    )
    value: LabelValue | None = Field(None, description="The taint's value, for Equal.")
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = Field(
        None, description="The taint's effect. Left out: any."
    )
    toleration_seconds: int | None = Field(
        None, ge=0, description="With NoExecute: how long a pod stays. Left out: for ever."
    )
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="!has(self.operator) || self.operator != 'Exists' || !has(self.value)",
            message="leave value out with operator Exists",
            holds=lambda it: it.operator != "Exists" or it.value is None,
        ),
        Rule(
            cel="has(self.key) || (has(self.operator) && self.operator == 'Exists')",
            message="without a key the operator must be Exists",
            holds=lambda it: it.key is not None or it.operator == "Exists",
        ),
        Rule(
            cel="!has(self.tolerationSeconds) || (has(self.effect) && self.effect == 'NoExecute')",
            message="tolerationSeconds needs effect NoExecute",
            holds=lambda it: it.toleration_seconds is None or it.effect == "NoExecute",
        ),
    )


class KeyReference(Model):
    """A key of an object of the same namespace."""

    name: ObjectName = Field(description="The object's name.")
    key: DataKey = Field(description="The key.")
    optional: bool | None = Field(None, description="Whether it may be absent.")


_CPU_UNITS = ("1", "1m")
_BYTE_UNITS = ("1", *(f"1{unit}" for unit in "kMGTPE"), *(f"1{unit}i" for unit in "KMGTPE"))


class FieldReference(Model):
    """A field of the pod itself."""

    field_path: str = Field(
        max_length=400,
        pattern=r"^(metadata\.(name|namespace|uid|(labels|annotations)\['[^']+'\])"
        r"|spec\.(nodeName|serviceAccountName)|status\.(hostIPs?|podIPs?))$",
        description="Such as metadata.name or status.podIP.",
    )


class ResourceFieldReference(Model):
    """A request or limit of the container itself."""

    resource: str = Field(
        pattern=r"^(requests|limits)\.(cpu|memory|ephemeral-storage)$",
        description="Such as limits.memory.",
    )
    divisor: Quantity | None = Field(None, description="The unit. Left out: 1.")
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="!has(self.divisor) || string(self.divisor) in"
            f" (self.resource.endsWith('.cpu') ? {list(_CPU_UNITS)} : {list(_BYTE_UNITS)})",
            message=f"divisor must be 1 or 1m for cpu, {', '.join(_BYTE_UNITS)} for the others",
            holds=lambda it: (
                it.divisor is None
                or it.divisor in (_CPU_UNITS if it.resource.endswith(".cpu") else _BYTE_UNITS)
            ),
        ),
    )


class EnvVarSource(Model):
    """Where a variable's value comes from: exactly one place."""

    secret_key_ref: KeyReference | None = Field(None, description="A key of a Secret.")
    config_map_key_ref: KeyReference | None = Field(None, description="A key of a ConfigMap.")
    field_ref: FieldReference | None = Field(None, description="A field of the pod.")
    resource_field_ref: ResourceFieldReference | None = Field(
        None, description="A request or limit of the container."
    )
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="[has(self.secretKeyRef), has(self.configMapKeyRef), has(self.fieldRef),"
            " has(self.resourceFieldRef)].filter(given, given).size() == 1",
            message="give exactly one of secretKeyRef, configMapKeyRef, fieldRef and"
            " resourceFieldRef",
            holds=lambda it: len(it.model_dump(exclude_none=True)) == 1,
        ),
    )
