"""Nodes that exist in the API alone: kwok plays their kubelets, and the pods on them.

Hundreds of pods become Ready, and those of Jobs complete, without a container anywhere. What is
left of a cluster is what an operator talks to: the API server and the controllers.
"""

from pathlib import Path
from typing import Any, Self

from carthub_dev import paths, toolchain
from carthub_dev.control_plane import ControlPlane
from carthub_dev.kubectl import Kubectl
from carthub_dev.ledger import Ledger
from carthub_dev.part import Part
from carthub_dev.processes import Process

# What becomes of nodes and pods, and when.
STAGES = paths.REPOSITORY / "dev" / "carthub_dev" / "kwok.yaml"
_ZONES = 3
_READY_SECONDS = 60.0


class PlayedNodes(Part):
    """Nodes of a control plane that has a scheduler."""

    def __init__(self, ledger: Ledger, plane: ControlPlane, count: int) -> None:
        self._ledger = ledger
        self._plane = plane
        self._count = count
        self._folder = Path()
        self._kwok: Process | None = None

    def start(self) -> Self:
        """Make the nodes, and return once all of them are Ready."""
        self._folder = self._ledger.make_directory("kwok")
        try:
            kubectl = Kubectl(self._plane.kubeconfig)
            kubectl.apply(_node(number) for number in range(self._count))
            self._kwok = Process(
                [
                    toolchain.tool_set("kwok").binary("kwok"),
                    f"--kubeconfig={self._plane.kubeconfig_for('kwok', ['system:masters'])}",
                    f"--config={STAGES}",
                    "--manage-all-nodes=true",
                    # Nodes that nobody hears of are emptied after 50 s.
                    "--node-lease-duration-seconds=40",
                ],
                log=self._folder / "kwok.log",
                ledger=self._ledger,
                # Its configuration is looked for below HOME too.
                env={"HOME": str(self._folder)},
            ).start()
            self._kwok.wait_until_ready(lambda: _are_ready(kubectl, self._count), _READY_SECONDS)
        except BaseException:
            self.close()
            raise
        return self

    def close(self) -> None:
        """End kwok; the nodes stay in the API, and are not heard of any more."""
        if self._kwok is not None:
            self._kwok.terminate()
            self._kwok = None
        self._ledger.remove_directory(self._folder)


def _node(number: int) -> dict[str, Any]:
    name = f"played-{number}"
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {
                "kubernetes.io/hostname": name,
                "topology.kubernetes.io/zone": f"zone-{number % _ZONES}",
            },
        },
    }


def _are_ready(kubectl: Kubectl, count: int) -> bool:
    nodes = kubectl.get("nodes")["items"]
    told = [one for node in nodes for one in node["status"].get("conditions", ())]
    ready = [one for one in told if one["type"] == "Ready" and one["status"] == "True"]
    return len(ready) == count
