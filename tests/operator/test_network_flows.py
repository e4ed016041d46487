"""The evaluator of NetworkPolicies knows their rules."""

from typing import Any

import pytest

from tests.support.network_flows import Address, Network, Pod, Port, selects

NAMESPACES = {"shop": {"team": "shop"}, "web": {"team": "web"}}
API = Pod("10.1.0.1", "shop", {"app": "api"}, [Port(8000, name="http")])
PEER = Pod("10.1.0.2", "shop", {"app": "peer"})
WEB = Pod("10.1.0.3", "web", {"app": "peer"}, [Port(4317, name="otlp")])
OUTSIDE = Address("203.0.113.10")
HTTP = Port(8000)


def _network(*policies: dict[str, Any]) -> Network:
    return Network(
        [{"metadata": {"namespace": "shop"}, "spec": policy} for policy in policies], NAMESPACES
    )


def _ingress(*rules: dict[str, Any]) -> dict[str, Any]:
    return {"podSelector": {"matchLabels": {"app": "api"}}, "ingress": list(rules)}


def _egress(*rules: dict[str, Any]) -> dict[str, Any]:
    return {
        "podSelector": {"matchLabels": {"app": "api"}},
        "policyTypes": ["Egress"],
        "egress": list(rules),
    }


def test_a_pod_that_no_policy_selects_is_open_both_ways() -> None:
    network = _network({"podSelector": {"matchLabels": {"app": "other"}}, "ingress": []})

    assert network.allows(OUTSIDE, API, HTTP)
    assert network.allows(API, OUTSIDE, HTTP)


def test_a_policy_selects_within_its_own_namespace_only() -> None:
    network = _network({"podSelector": {}})

    assert not network.allows(OUTSIDE, API, HTTP)
    assert network.allows(OUTSIDE, WEB, HTTP)


def test_a_policy_without_rules_shuts_its_types_and_no_other() -> None:
    shut_in, shut_out = _network(_ingress()), _network(_egress())

    assert not shut_in.allows(PEER, API, HTTP)
    assert shut_in.allows(API, PEER, HTTP)
    assert shut_out.allows(PEER, API, HTTP)
    assert not shut_out.allows(API, PEER, HTTP)


def test_egress_is_a_type_where_there_are_rules_for_it() -> None:
    network = _network({"podSelector": {}, "egress": [{"ports": [{"port": 53}]}]})

    assert not network.allows(API, OUTSIDE, HTTP)
    assert network.allows(API, OUTSIDE, Port(53))
    assert not network.allows(OUTSIDE, API, HTTP)


def test_an_empty_rule_opens_everything() -> None:
    assert _network(_ingress({})).allows(OUTSIDE, API, Port(1, "UDP"))


def test_policies_add_up() -> None:
    network = _network(
        _ingress(), _ingress({"from": [{"podSelector": {"matchLabels": {"app": "peer"}}}]})
    )

    assert network.allows(PEER, API, HTTP)
    assert not network.allows(WEB, API, HTTP)


def test_both_ends_must_let_it() -> None:
    out = {"podSelector": {"matchLabels": {"app": "peer"}}, "policyTypes": ["Egress"]}

    assert not _network(_ingress({}), out).allows(PEER, API, HTTP)


def test_no_policy_keeps_a_pod_from_itself() -> None:
    assert _network({"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}).allows(
        API, API, HTTP
    )


@pytest.mark.parametrize(
    ("peer", "allowed"),
    [
        ({"podSelector": {}}, {PEER.ip}),
        ({"namespaceSelector": {}}, {PEER.ip, WEB.ip}),
        ({"namespaceSelector": {"matchLabels": {"team": "web"}}}, {WEB.ip}),
        (
            {
                "namespaceSelector": {"matchLabels": {"team": "web"}},
                "podSelector": {"matchLabels": {"app": "other"}},
            },
            set(),
        ),
        ({"ipBlock": {"cidr": "203.0.113.0/24"}}, {OUTSIDE.ip}),
        ({"ipBlock": {"cidr": "0.0.0.0/0"}}, {PEER.ip, WEB.ip, OUTSIDE.ip}),
        ({"ipBlock": {"cidr": "0.0.0.0/0", "except": ["10.1.0.0/16"]}}, {OUTSIDE.ip}),
        ({"ipBlock": {"cidr": "::/0"}}, set()),
    ],
)
def test_a_peer_is_who_its_selectors_and_networks_say(
    peer: dict[str, Any], allowed: set[str]
) -> None:
    network = _network(_ingress({"from": [peer]}))

    assert {one.ip for one in (PEER, WEB, OUTSIDE) if network.allows(one, API, HTTP)} == allowed


@pytest.mark.parametrize(
    ("wanted", "allowed"),
    [
        ({"port": 8000}, {Port(8000)}),
        ({"port": 8000, "protocol": "UDP"}, {Port(8000, "UDP")}),
        ({"port": 7999, "endPort": 8001}, {Port(8000), Port(8001)}),
        ({"protocol": "TCP"}, {Port(8000), Port(8001), Port(9090)}),
        ({"port": "http"}, {Port(8000)}),
        ({"port": "metrics"}, set()),
    ],
)
def test_a_port_is_a_number_a_range_or_a_name_of_the_pod(
    wanted: dict[str, Any], allowed: set[Port]
) -> None:
    network = _network(_ingress({"ports": [wanted]}))
    tried = (Port(8000), Port(8000, "UDP"), Port(8001), Port(9090))

    assert {port for port in tried if network.allows(PEER, API, port)} == allowed


def test_on_the_way_out_a_name_is_one_of_the_other_pod() -> None:
    network = _network(_egress({"ports": [{"port": "otlp"}]}))

    assert network.allows(API, WEB, Port(4317))
    assert not network.allows(API, WEB, Port(4318))
    assert not network.allows(API, OUTSIDE, Port(4317))


def test_peers_and_ports_of_a_rule_belong_together() -> None:
    network = _network(
        _ingress(
            {"from": [{"podSelector": {}}], "ports": [{"port": 8000}]},
            {
                "from": [{"namespaceSelector": {"matchLabels": {"team": "web"}}}],
                "ports": [{"port": 9090}],
            },
        )
    )

    assert [network.allows(one, API, Port(9090)) for one in (PEER, WEB)] == [False, True]
    assert [network.allows(one, API, Port(8000)) for one in (PEER, WEB)] == [True, False]


@pytest.mark.parametrize(
    ("operator", "values", "selected"),
    [
        ("In", ["a", "b"], [True, False, False]),
        ("NotIn", ["a", "b"], [False, True, True]),
        ("Exists", None, [True, True, False]),
        ("DoesNotExist", None, [False, False, True]),
    ],
)
def test_an_expression_selects_by_a_label(
    operator: str, values: list[str] | None, selected: list[bool]
) -> None:
    selector = {"matchExpressions": [{"key": "app", "operator": operator, "values": values}]}

    assert [selects(selector, labels) for labels in ({"app": "a"}, {"app": "c"}, {})] == selected
