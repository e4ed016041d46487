import ipaddress

import pytest

from carthub_dev import network
from carthub_dev.errors import PlatformError
from carthub_dev.network import Plan


def test_the_parts_of_a_plan_lie_apart_in_its_network() -> None:
    plan = Plan(217)
    whole = ipaddress.IPv4Network("10.217.0.0/16")
    nodes = ipaddress.IPv4Network("10.217.0.0/24")
    ranges = [nodes, ipaddress.IPv4Network(plan.services), ipaddress.IPv4Network(plan.pods)]

    assert all(part.subnet_of(whole) for part in ranges)
    assert not any(a.overlaps(b) for a in ranges for b in ranges if a is not b)
    addresses = [plan.host, plan.fabric, *(plan.node(number) for number in (1, 2, 3))]
    assert len(set(addresses)) == len(addresses)
    assert all(ipaddress.ip_address(address) in nodes for address in addresses)
    assert ipaddress.ip_address(plan.dns) in ranges[1]


def test_every_node_has_pods_of_its_own() -> None:
    plan = Plan(217)
    pods = [ipaddress.IPv4Network(plan.pods_of(number)) for number in (1, 2, 3)]

    assert all(part.subnet_of(ipaddress.IPv4Network(plan.pods)) for part in pods)
    assert not any(a.overlaps(b) for a in pods for b in pods if a is not b)


def test_the_link_name_fits_the_kernel() -> None:
    assert len(Plan(249).link) <= 15


@pytest.mark.parametrize(
    ("routes", "index"),
    [
        ([], 200),
        (["192.0.2.0/24", "127.0.0.0/8"], 200),
        (["10.200.0.0/16"], 201),
        (["10.200.7.9"], 201),
        (["10.200.0.0/15"], 202),
        # Broader than a /15 and everywhere, as of a VPN: ours win by being narrower.
        (["10.0.0.0/8"], 200),
        (["10.0.0.0/8", "10.200.3.0/24"], 201),
    ],
)
def test_a_plan_overlaps_no_route_of_the_host(routes: list[str], index: int) -> None:
    assert network.free_plan(routes) == Plan(index)


def test_it_says_so_when_every_plan_is_taken() -> None:
    with pytest.raises(PlatformError, match=r"no network of 10\.200\.0\.0/16 .* is free"):
        network.free_plan([f"10.{index}.1.0/24" for index in range(256)])
