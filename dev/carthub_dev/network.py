"""The network of one instance: a fabric and its nodes, all in namespaces of our own.

The fabric is a namespace with a bridge. One veth pair leads from the host into it, one from each
node; pods and services are routed through the nodes. Nothing is forwarded by the host, its
firewall and its sysctls stay as they are: the host gets one link and the routes that go with it.
The namespaces have no names, they end with their last process.
"""

import ipaddress
import json
import os
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from carthub_dev import programs
from carthub_dev.errors import PlatformError
from carthub_dev.ledger import Ledger
from carthub_dev.locks import alone
from carthub_dev.processes import Process

_INDEXES = range(200, 250)
_BROAD_PREFIX = 15
_BRIDGE = "fabric"


@dataclass(frozen=True)
class Plan:
    """The addresses of one instance: 10.INDEX.0.0/16, divided."""

    index: int

    @property
    def link(self) -> str:
        """The host's end of the pair that leads into the fabric."""
        return f"carthub{self.index}"

    @property
    def host(self) -> str:
        """The address at which pods and nodes reach the host: API server, database, AWS."""
        return f"10.{self.index}.0.1"

    @property
    def fabric(self) -> str:
        """The address of what runs beside the nodes: DNS, metrics."""
        return f"10.{self.index}.0.2"

    @property
    def services(self) -> str:
        """The range of ClusterIPs."""
        return f"10.{self.index}.64.0/18"

    @property
    def dns(self) -> str:
        """The ClusterIP of DNS."""
        return f"10.{self.index}.64.10"

    @property
    def pods(self) -> str:
        """The range of all pods."""
        return f"10.{self.index}.128.0/17"

    def node(self, number: int) -> str:
        """Return the address of a node; nodes count from 1."""
        return f"10.{self.index}.0.{10 + number}"

    def pods_of(self, number: int) -> str:
        """Return the range of the pods of a node."""
        return f"10.{self.index}.{128 + number}.0/24"


def free_plan(routes: Iterable[str]) -> Plan:
    """Return a plan that no route of the host overlaps.

    Where a route as broad as a VPN's 10.0.0.0/8 covers all plans, it is no obstacle: ours are
    more specific and win.
    """
    taken = [ipaddress.ip_network(route, strict=False) for route in routes]
    narrow = [network for network in taken if network.prefixlen > _BROAD_PREFIX]
    for obstacles in (taken, narrow):
        for index in _INDEXES:
            ours = ipaddress.ip_network(f"10.{index}.0.0/16")
            if not any(ours.overlaps(network) for network in obstacles):
                return Plan(index)
    raise PlatformError(
        f"no network of 10.{_INDEXES.start}.0.0/16 to 10.{_INDEXES.stop - 1}.0.0/16 is free; "
        "`ip route` shows who has them"
    )


class Network:
    """The fabric of one instance and the routes of the host into it."""

    def __init__(self, plan: Plan, fabric: Process, ledger: Ledger) -> None:
        self.plan = plan
        self.fabric = fabric
        self._ledger = ledger

    @classmethod
    def create(cls, ledger: Ledger, logs: Path) -> "Network":
        """Take a free plan and build the fabric; the ledger removes both."""
        fabric = Process(
            [programs.program("unshare"), "--net", "--", programs.program("sleep"), "infinity"],
            log=logs / "fabric.log",
            ledger=ledger,
            role="fabric",
            env={"PATH": os.environ.get("PATH", os.defpath)},
            grace_seconds=1.0,
        ).start()
        fabric.wait_until_ready(lambda: _has_own_network(fabric.pid))
        # No other instance may choose the same plan.
        with alone(Path("/run")):
            plan = free_plan(_host_routes())
            ledger.link(plan.link)
            _ip("link", "add", plan.link, "type", "veth", "peer", "host", "netns", str(fabric.pid))
            _ip("address", "add", f"{plan.host}/24", "dev", plan.link)
            _ip("link", "set", plan.link, "up")
        network = cls(plan, fabric, ledger)
        network._raise_bridge()
        return network

    def attach(self, number: int, holder: int) -> None:
        """Connect a node, whose namespace a process holds, and route its pods to it.

        The services are reached through the first node.
        """
        plan = self.plan
        port, address = f"node{number}", plan.node(number)
        inside = str(holder)
        self._in_fabric(
            "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", inside
        )
        self._in_fabric("link", "set", port, "master", _BRIDGE, "up")
        ip_inside(holder, "link", "set", "lo", "up")
        ip_inside(holder, "address", "add", f"{address}/24", "dev", "eth0")
        ip_inside(holder, "link", "set", "eth0", "up")
        set_inside(holder, "ipv4/ip_forward", "1")
        self._in_fabric("route", "add", plan.pods_of(number), "via", address)
        self._host_route(plan.pods_of(number), address)
        if number == 1:
            self._in_fabric("route", "add", plan.services, "via", address)
            self._host_route(plan.services, address)

    def connect(self, nodes: dict[int, int]) -> None:
        """Let the pods of all nodes reach each other; `nodes` maps numbers to holders."""
        for number, holder in nodes.items():
            for other in nodes:
                if other != number:
                    pods, node = self.plan.pods_of(other), self.plan.node(other)
                    ip_inside(holder, "route", "replace", pods, "via", node)

    def _host_route(self, destination: str, gateway: str) -> None:
        self._ledger.route(destination, device=self.plan.link)
        _ip("route", "add", destination, "via", gateway, "dev", self.plan.link)

    def _raise_bridge(self) -> None:
        self._in_fabric("link", "set", "lo", "up")
        self._in_fabric("link", "add", _BRIDGE, "type", "bridge")
        self._in_fabric("address", "add", f"{self.plan.fabric}/24", "dev", _BRIDGE)
        self._in_fabric("link", "set", _BRIDGE, "up")
        self._in_fabric("link", "set", "host", "master", _BRIDGE, "up")

    def _in_fabric(self, *arguments: str) -> None:
        ip_inside(self.fabric.pid, *arguments)


def entering(holder: int, *, also_mounts: bool = False) -> list[str]:
    """Return the words that make a command run in the namespaces of a holder.

    Not `ip netns exec`: that remounts /sys, and the kubelet finds no control groups.
    """
    mounts = ["--mount"] if also_mounts else []
    return [programs.program("nsenter"), "--target", str(holder), "--net", *mounts, "--"]


def ip_inside(holder: int, *arguments: str) -> None:
    """Run `ip` in the network namespace of a holder."""
    _run([*entering(holder), programs.program("ip"), *arguments])


def set_inside(holder: int, name: str, value: str) -> bool:
    """Set a sysctl of a holder's network namespace; False where the kernel has none such."""
    file = Path("/proc/sys/net", name)
    if not file.exists():
        return False
    _run([*entering(holder), programs.program("sh"), "-c", f'echo "$1" > {file}', "sh", value])
    return True


def _has_own_network(pid: int) -> bool:
    return Path(f"/proc/{pid}/ns/net").readlink() != Path("/proc/self/ns/net").readlink()


def _host_routes() -> list[str]:
    """Return the destinations of all routes of the host, its own addresses included."""
    listed = _run([programs.program("ip"), "-json", "-4", "route", "show", "table", "all"])
    routes: list[dict[str, Any]] = json.loads(listed or "[]")
    return [route["dst"] for route in routes if route["dst"] != "default"]


def _ip(*arguments: str) -> None:
    _run([programs.program("ip"), *arguments])


def _run(argv: list[str]) -> str:
    done = subprocess.run(
        argv, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    if done.returncode:
        raise PlatformError(f"{' '.join(argv)} ended with {done.returncode}: {done.stderr.strip()}")
    return done.stdout
