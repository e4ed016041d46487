"""Which connections the live policies allow: what docs/network.md says, and nothing else."""

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from carthub_dev import operator_process
from carthub_dev.operator_process import NAMESPACE, OperatorProcess
from tests.support import control_plane
from tests.support.live_cart import LiveCart
from tests.support.live_operator import aws_database
from tests.support.markdown import table, yaml_blocks
from tests.support.network_flows import Address, End, Network, Object, Pod, Port

PAGE = "network.md"
_PLACES = ("ingress", "monitoring", "tracing", "shop", "kube-system")
_NAME = "kubernetes.io/metadata.name"
# Ends that no policy of ours selects. The cart's namespace is known in the test only.
_FREE: Mapping[str, End] = {
    "pods of other namespaces": Pod("10.1.0.2", "shop", {"app": "web"}),
    "the ingress controller": Pod("10.1.0.3", "ingress"),
    "Prometheus": Pod("10.1.0.4", "monitoring"),
    "the trace collector": Pod("10.1.0.5", "tracing", ports=[Port(4317, name="otlp")]),
    "cluster DNS": Pod("10.1.0.6", "kube-system", {"k8s-app": "kube-dns"}),
    "the database": Address("10.20.0.5"),
    "the load balancer's addresses": Address("10.30.1.7"),
    "the addresses that `except` names": Address("10.30.9.7"),
    "the identity provider": Address("203.0.113.10"),
    "the node's metadata (169.254.169.254)": Address("169.254.169.254"),
    "the internet": Address("198.51.100.1"),
}
_PORTS = [Port(number) for number in (53, 80, 443, 4317, 5432, 6443, 8000, 8080, 9090)]
_PORTS.append(Port(53, "UDP"))

Flow = tuple[End, End, Port]


@pytest.fixture(scope="module")
def operators_own(operator: OperatorProcess) -> Iterator[tuple[Object, Pod]]:
    """The operator's policy as the API server has it, and its pod."""
    manifests = {one["kind"]: one for one in operator_process.manifests("operator")}
    template = manifests["Deployment"]["spec"]["template"]
    with control_plane.dynamic_client(operator.plane.kubeconfig) as api:
        policy = control_plane.apply(api, manifests["NetworkPolicy"])
        yield policy, Pod.of_template(template, namespace=NAMESPACE, ip="10.1.0.9")
        resource = api.resources.get(api_version=policy["apiVersion"], kind=policy["kind"])
        resource.delete(name=policy["metadata"]["name"], namespace=NAMESPACE)


class Ends:
    """The ends that the page names, by their names there."""

    def __init__(self, cart: LiveCart, operator: Pod) -> None:
        (job,) = cart.items("Job")
        deployment = cart.child("Deployment")
        self.api = [
            Pod.of_template(made["spec"]["template"], namespace=cart.namespace, ip=ip)
            for made, ip in ((deployment, "10.1.0.10"), (deployment, "10.1.0.11"))
        ]
        self.api.append(
            Pod.of_template(job["spec"]["template"], namespace=cart.namespace, ip="10.1.0.12")
        )
        self.free = {**_FREE, "pods of its namespace": Pod("10.1.0.1", cart.namespace)}
        self.named: dict[str, list[End]] = {
            **{name: [end] for name, end in self.free.items()},
            "the API": [*self.api],
            "the operator": [operator],
            "anywhere": [*self.free.values()],
            "anywhere else": [end for name, end in self.free.items() if name != "the database"],
        }

    def flows(self, source: str, destination: str, port: str) -> list[Flow]:
        """Return the connections that a row of the page is about."""
        number, _, protocol = port.partition(" ")
        ports = _PORTS if number == "any" else [Port(int(number), protocol or "TCP")]
        pairs = itertools.product(self.named[source], self.named[destination], ports)
        return [(one, other, port) for one, other, port in pairs if one != other]

    def all(self) -> Iterator[Flow]:
        """Yield every connection between any two ends at any port."""
        ends = [*self.free.values(), *self.named["the API"], *self.named["the operator"]]
        yield from itertools.product(ends, ends, _PORTS)


def test_the_live_policies_allow_what_the_page_says_and_nothing_else(
    cart: LiveCart, secret_id: str, operators_own: tuple[Object, Pod]
) -> None:
    policy, operator = operators_own
    (variants,) = yaml_blocks(PAGE)
    rows = table(PAGE, "## The API")
    own = table(PAGE, "## The operator")

    for column, variant in enumerate(("default", *variants), 3):
        _apply(cart, secret_id, variants.get(variant, {}))
        ends = Ends(cart, operator)
        network = Network([policy, *cart.items("NetworkPolicy")], _namespaces(cart))
        said = {
            flow: row[place] == "yes"
            for some, place in ((rows, column), (own, 3))
            for row in some
            for flow in ends.flows(*row[:3])
        }

        assert {flow: network.allows(*flow) for flow in said} == said, variant
        subjects = (*ends.api, operator)
        allowed = {
            flow
            for flow in ends.all()
            if network.allows(*flow)
            and flow[0] != flow[1]
            and (flow[0] in subjects or flow[1] in subjects)
        }
        assert allowed == {flow for flow, is_allowed in said.items() if is_allowed}, variant


def _apply(cart: LiveCart, secret_id: str, spec: dict[str, Any]) -> None:
    """Apply a spec, and return when its children are what it says."""
    cart.apply(**{**spec, "database": aws_database(secret_id, **spec.get("database", {}))})
    cart.wait_ready()


def _namespaces(cart: LiveCart) -> dict[str, dict[str, str]]:
    # As the API server labels every namespace.
    return {name: {_NAME: name} for name in (*_PLACES, NAMESPACE, cart.namespace)}
