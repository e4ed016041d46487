"""Which connections NetworkPolicies allow, by the rules of networking.k8s.io/v1.

No policy engine runs in the tests, so the objects are evaluated as their reference describes them
(kubernetes.io/docs/concepts/services-networking/network-policies). Where that leaves it to the
engine whether an ipBlock catches pods, it does here.
"""

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Object = Mapping[str, Any]


@dataclass(frozen=True)
class Port:
    """Where a connection goes; `name` only within a pod's own list."""

    number: int
    protocol: str = "TCP"
    name: str = ""


@dataclass(frozen=True)
class Address:
    """An end of a connection outside the cluster."""

    ip: str


@dataclass(frozen=True)
class Pod:
    """An end of a connection that policies may select."""

    ip: str
    namespace: str
    # What a pod has does not tell it from another: its address does.
    labels: Mapping[str, str] = field(default_factory=dict, compare=False)
    ports: Sequence[Port] = field(default=(), compare=False)

    @classmethod
    def of_template(cls, template: Object, *, namespace: str, ip: str) -> "Pod":
        """Return a pod as a Deployment or a Job makes it."""
        ports = [
            Port(one["containerPort"], one.get("protocol", "TCP"), one.get("name", ""))
            for container in template["spec"]["containers"]
            for one in container.get("ports", ())
        ]
        return cls(ip, namespace, template["metadata"]["labels"], ports)


End = Address | Pod


class Network:
    """The policies of a cluster and the labels of its namespaces."""

    def __init__(
        self, policies: Iterable[Object], namespaces: Mapping[str, Mapping[str, str]]
    ) -> None:
        self._policies = list(policies)
        self._namespaces = namespaces

    def allows(self, source: End, destination: End, port: Port) -> bool:
        """Tell whether a connection comes about: both ends must let it."""
        if source == destination:
            # A pod cannot be kept from itself.
            return True
        return self._lets("Egress", source, destination, destination, port) and self._lets(
            "Ingress", destination, source, destination, port
        )

    def _lets(self, way: str, end: End, peer: End, destination: End, port: Port) -> bool:
        """Tell whether one end lets a connection go one way; policies add up."""
        if isinstance(end, Address):
            return True
        selecting = [one for one in self._policies if _selects(one, end) and way in _types(one)]
        return not selecting or any(
            self._matches(rule, way, peer, destination, port, one["metadata"]["namespace"])
            for one in selecting
            for rule in one["spec"].get(way.lower()) or ()
        )

    def _matches(
        self, rule: Object, way: str, peer: End, destination: End, port: Port, namespace: str
    ) -> bool:
        peers = rule.get("from" if way == "Ingress" else "to") or ()
        ports = rule.get("ports") or ()
        return (not peers or any(self._is_peer(one, peer, namespace) for one in peers)) and (
            not ports or any(_is_port(one, destination, port) for one in ports)
        )

    def _is_peer(self, wanted: Object, end: End, namespace: str) -> bool:
        if "ipBlock" in wanted:
            block = wanted["ipBlock"]
            return _is_in(end.ip, block["cidr"]) and not any(
                _is_in(end.ip, excluded) for excluded in block.get("except") or ()
            )
        if isinstance(end, Address):
            return False
        if "namespaceSelector" not in wanted:
            is_there = end.namespace == namespace
        else:
            labels = self._namespaces[end.namespace]
            is_there = selects(wanted["namespaceSelector"], labels)
        return is_there and selects(wanted.get("podSelector") or {}, end.labels)


def selects(selector: Object, labels: Mapping[str, str]) -> bool:
    """Tell whether a label selector selects; an empty one selects everything."""
    wanted = selector.get("matchLabels") or {}
    return all(labels.get(key) == one for key, one in wanted.items()) and all(
        _meets(one, labels) for one in selector.get("matchExpressions") or ()
    )


def _meets(requirement: Object, labels: Mapping[str, str]) -> bool:
    key, values = requirement["key"], requirement.get("values") or ()
    match requirement["operator"]:
        case "In":
            return labels.get(key) in values
        case "NotIn":
            # What lacks the label is selected.
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
        case other:
            raise AssertionError(f"{other} is no operator of label selectors")


def _selects(policy: Object, pod: Pod) -> bool:
    return bool(
        policy["metadata"]["namespace"] == pod.namespace
        and selects(policy["spec"].get("podSelector") or {}, pod.labels)
    )


def _types(policy: Object) -> Sequence[str]:
    spec = policy["spec"]
    implied = ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]
    return spec.get("policyTypes") or implied


def _is_port(wanted: Object, destination: End, port: Port) -> bool:
    if wanted.get("protocol", "TCP") != port.protocol:
        return False
    first = wanted.get("port")
    if first is None:
        return True
    if isinstance(first, str):
        named = destination.ports if isinstance(destination, Pod) else ()
        return any(
            (one.name, one.number, one.protocol) == (first, port.number, port.protocol)
            for one in named
        )
    return bool(first <= port.number <= wanted.get("endPort", first))


def _is_in(ip: str, cidr: str) -> bool:
    # Of another family than the network, it is not in it.
    return ipaddress.ip_address(ip) in ipaddress.ip_network(cidr, strict=False)
