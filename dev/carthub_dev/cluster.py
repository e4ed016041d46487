"""A whole Kubernetes of our own: the network, a control plane, nodes, DNS and metrics."""

from collections.abc import Sequence
from pathlib import Path
from typing import Self

from carthub_dev import image_store, limits, node_config, packages, pause, toolchain
from carthub_dev.addons import Addons
from carthub_dev.control_plane import ControlPlane
from carthub_dev.kubectl import Kubectl
from carthub_dev.kubernetes_flags import ControlPlaneOptions
from carthub_dev.ledger import Ledger
from carthub_dev.network import Network
from carthub_dev.node import Node
from carthub_dev.part import Part

MAX_NODES = 3

# In the order in which a start needs them.
BINARIES = (
    ("etcd", "etcd"),
    ("kubernetes", "kube-apiserver"),
    ("kubernetes", "kubelet"),
    ("containerd", "containerd"),
    ("cni", "bridge"),
    ("coredns", "coredns"),
    ("metrics-server", "metrics-server"),
)

# An autoscaler that looks every 15 s, and not at pods younger than 5 minutes, is right for
# production and tedious on a desk.
_AUTOSCALER = (
    "--horizontal-pod-autoscaler-sync-period=5s",
    "--horizontal-pod-autoscaler-cpu-initialization-period=30s",
    "--horizontal-pod-autoscaler-initial-readiness-delay=10s",
)


def build_binaries() -> None:
    """Build what is not built yet, in sight: minutes when cold, nothing when warm."""
    for tools, binary in BINARIES:
        toolchain.tool_set(tools).binary(binary)


class Cluster(Part):
    """One to three real nodes and everything they need.

    `host_names` are names that the cluster's DNS answers with the host's address.
    """

    def __init__(self, ledger: Ledger, *, nodes: int = 1, host_names: Sequence[str] = ()) -> None:
        if not 1 <= nodes <= MAX_NODES:
            raise ValueError(f"nodes is {nodes}, must be 1 to {MAX_NODES}")
        packages.ensure(packages.NODE, "to run nodes", ledger=ledger)
        limits.check_inotify(nodes)
        self._ledger = ledger
        self._foreign = ledger.ids()
        self._logs = ledger.make_directory("network")
        self.network = Network.create(ledger, self._logs)
        plan = self.network.plan
        self.plane = ControlPlane(
            ledger,
            ControlPlaneOptions(
                address=plan.host,
                service_cidr=plan.services,
                has_scheduler=True,
                controller_manager_flags=_AUTOSCALER,
            ),
        )
        self.nodes: list[Node] = []
        self.addons: Addons | None = None
        self._count = nodes
        self._host_names = host_names

    @property
    def kubectl(self) -> Kubectl:
        """What a cluster administrator runs."""
        return Kubectl(self.plane.kubeconfig)

    def start(self, archives: Sequence[Path] = ()) -> Self:
        """Start everything and return when all nodes are Ready and DNS runs.

        The images of the archives are on every node from the start.
        """
        self.plane.start()
        self.start_nodes(archives)
        return self

    def start_nodes(self, archives: Sequence[Path] = ()) -> None:
        """Start the nodes of a control plane that runs, with DNS and metrics beside them."""
        holding = pause.archive(f"docker.io/{node_config.PAUSE_IMAGE}")
        store = image_store.prepared([holding, *archives], self._ledger)
        for number in range(1, self._count + 1):
            node = Node(
                number, net=self.network, plane=self.plane, store=store, ledger=self._ledger
            )
            self.nodes.append(node)
            node.start()
        holders = {node.facts.number: node.process("holder").pid for node in self.nodes}
        self.network.connect(holders)
        self.addons = Addons(
            net=self.network, plane=self.plane, ledger=self._ledger, host_names=self._host_names
        )
        self.addons.start()
        for node in self.nodes:
            node.wait_until_ready()

    def close(self) -> None:
        """Remove everything that this cluster has started; what else the ledger has stays."""
        self._ledger.remove_all_but(self._foreign)
        self.plane.close()
        own = [self.network.fabric, *(self.addons.processes.values() if self.addons else ())]
        for process in (*own, *(part for node in self.nodes for part in node.processes)):
            # Gone already: this buries it.
            process.terminate()
