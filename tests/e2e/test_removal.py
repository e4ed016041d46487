"""What a cluster starts is removed: when it ends well, and by the next start when it was killed."""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from carthub_dev import removal
from carthub_dev.ledger import Entry, Ledger
from tests.support.ledgers import first_line

INSTANCE = "tests-removal"
# Two nodes with a pod on each; ends well at the end of its input.
PROGRAM = """
    import sys
    from carthub_dev.cluster import Cluster
    from carthub_dev.ledger import Ledger

    with Ledger.open(sys.argv[1]) as ledger, Cluster(ledger, nodes=2) as cluster:
        kubectl = cluster.kubectl
        kubectl("create", "deployment", "idle", "--image=carthub/pause:1", "--replicas=4")
        kubectl("rollout", "status", "deployment/idle", "--timeout=180s")
        print("up", flush=True)
        sys.stdin.read()
"""


@dataclass(frozen=True)
class Traces:
    """Everything by which a cluster can be noticed on this machine."""

    processes: dict[int, float | None]
    namespaces: frozenset[str]
    entries: tuple[Entry, ...]

    def left(self) -> list[str]:
        """Return what is still there and can only be of this cluster."""
        alive = {pid for pid, at in self.processes.items() if removal.is_same_process(pid, at)}
        left = [f"process {pid}: {psutil.Process(pid).cmdline()}" for pid in alive]
        mounts = Path("/proc/mounts").read_text()
        for entry in self.entries:
            if entry.kind == "directory" and Path(entry.facts["path"]).exists():
                left.append(entry.facts["path"])
            if entry.kind == "directory" and entry.facts["path"] in mounts:
                left.append(f"mount below {entry.facts['path']}")
        return left

    def left_or_taken(self) -> list[str]:
        """Return also what the next cluster would name the same."""
        left = self.left()
        left += [f"process {pid} in a namespace of a node" for pid in _inside(self.namespaces)]
        for entry in self.entries:
            facts = entry.facts
            if entry.kind == "cgroup" and Path(facts["path"]).exists():
                left.append(facts["path"])
            if entry.kind == "link" and Path("/sys/class/net", facts["name"]).exists():
                left.append(f"link {facts['name']}")
            if entry.kind == "route" and _ip("route", "show", facts["destination"]):
                left.append(f"route {facts['destination']}")
        return left


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """State and run folders of the test's own; short, for the sockets below them."""
    folder = Path(tempfile.mkdtemp(prefix="ct-", dir="/tmp"))
    monkeypatch.setenv("CARTHUB_STATE", str(folder / "state"))
    monkeypatch.setenv("CARTHUB_RUN", str(folder / "run"))
    yield folder
    Ledger.open(INSTANCE).close()
    shutil.rmtree(folder)


def test_nothing_is_left_and_a_second_start_cleans_after_a_kill(own: Path) -> None:
    with _started() as first:
        killed = _traces(own)
        first.kill()
        first.wait()
    assert any("kubelet" in what for what in killed.left())

    with _started() as second:
        ended = _traces(own)
        assert killed.left() == []
        second.communicate(timeout=180)
        assert second.returncode == 0

    assert killed.left_or_taken() == []
    assert ended.left_or_taken() == []
    assert list((own / "run").iterdir()) == []
    assert list((own / "state").iterdir()) == []


@contextlib.contextmanager
def _started() -> Iterator[subprocess.Popen[str]]:
    # Its end waits for the program, which ends with its input.
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(PROGRAM), INSTANCE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as program:
        assert first_line(program) == "up"
        yield program


def _traces(own: Path) -> Traces:
    with Path(os.devnull).open() as no_lock:
        entries = tuple(Ledger(INSTANCE, own / "state" / INSTANCE, no_lock).entries())
    processes = {e.facts["pid"]: e.facts["started"] for e in entries if e.kind == "process"}
    holders = [
        e.facts["pid"]
        for e in entries
        if e.kind == "process" and e.facts["role"].startswith(("fabric", "holder"))
    ]
    namespaces = {
        str(Path(f"/proc/{pid}/ns/{kind}").readlink()) for pid in holders for kind in ("net", "mnt")
    } - {str(Path(f"/proc/self/ns/{kind}").readlink()) for kind in ("net", "mnt")}
    groups = {Path(e.facts["path"]).name for e in entries if e.kind == "cgroup"}
    for pid in psutil.pids():
        try:
            membership = Path(f"/proc/{pid}/cgroup").read_text()
        except OSError:
            continue
        if any(f"/{group}/" in membership for group in groups):
            processes[pid] = removal.start_time(pid)
    # Two pods a node, each a pause container and its own.
    assert len(processes) >= 4 * 2 + 10
    assert len(namespaces) == 1 + 2 * 2
    return Traces(processes, frozenset(namespaces), entries)


def _inside(namespaces: frozenset[str]) -> list[int]:
    found = []
    for pid in psutil.pids():
        try:
            held = {str(Path(f"/proc/{pid}/ns/{kind}").readlink()) for kind in ("net", "mnt")}
        except OSError:
            continue
        if held & namespaces:
            found.append(pid)
    return found


def _ip(*arguments: str) -> str:
    return subprocess.run(["ip", *arguments], capture_output=True, text=True, check=True).stdout
