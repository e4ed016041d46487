"""A control group per node: what a kubelet needs to find, on version 1 and on version 2.

Version 1 has one hierarchy a controller, so a node has one group in each of them; where both
are mounted runc also makes one in the unified hierarchy.
"""

import contextlib
from pathlib import Path

from carthub_dev.ledger import Ledger

ROOT = Path("/sys/fs/cgroup")

_VERSION_1_CONTROLLERS = (
    *("blkio", "cpu", "cpuacct", "cpuset", "devices", "freezer", "hugetlb", "memory"),
    *("net_cls", "net_prio", "perf_event", "pids", "rdma", "misc", "systemd", "unified"),
)
_VERSION_2_CONTROLLERS = ("cpuset", "cpu", "io", "memory", "hugetlb", "pids")


def create(ledger: Ledger, name: str) -> None:
    """Make and record the control groups of a node."""
    if is_version_2():
        group = ROOT / name
        _delegate(ROOT)
        ledger.cgroup(group)
        group.mkdir(exist_ok=True)
        _delegate(group)
        return
    for hierarchy in hierarchies():
        group = hierarchy / name
        ledger.cgroup(group)
        group.mkdir(exist_ok=True)
        # A new cpuset group has no processors and no memory, and refuses every process.
        for file in ("cpuset.cpus", "cpuset.mems"):
            if (group / file).exists():
                (group / file).write_text((hierarchy / file).read_text())


def is_version_2() -> bool:
    """Tell whether this machine has the unified hierarchy only."""
    return (ROOT / "cgroup.controllers").exists()


def hierarchies() -> list[Path]:
    """Return the hierarchies of version 1; linked names (cpu -> cpu,cpuacct) count once."""
    found = {(ROOT / controller).resolve() for controller in _VERSION_1_CONTROLLERS}
    return sorted(folder for folder in found if (folder / "cgroup.procs").exists())


def _delegate(group: Path) -> None:
    """Hand the controllers on to the groups below; one that is not there is no loss."""
    for controller in _VERSION_2_CONTROLLERS:
        with contextlib.suppress(OSError):
            (group / "cgroup.subtree_control").write_text(f"+{controller}")
