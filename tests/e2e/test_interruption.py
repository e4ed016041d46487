"""Ctrl-C in the terminal of `make run`, while everything is about to start."""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from carthub_dev import removal
from carthub_dev.ledger import Entry, Ledger
from tests.support.cluster import eventually
from tests.support.terminal import CTRL_C, Terminal

INSTANCE = "tests-interruption"
# The environment is there: these tests run in it.
MAKE_RUN = f"make run READY= DEV='{sys.executable} -m carthub_dev'"


@pytest.fixture
def own() -> Iterator[Path]:
    """State and run folders of the test's own; short, for the sockets below them."""
    folder = Path(tempfile.mkdtemp(prefix="ci-", dir="/tmp"))
    yield folder
    shutil.rmtree(folder)


def test_ctrl_c_during_the_start_leaves_nothing(own: Path) -> None:
    environment = {
        **os.environ,
        "CARTHUB_STATE": str(own / "state"),
        "CARTHUB_RUN": str(own / "run"),
        "INSTANCE": INSTANCE,
    }

    def recorded() -> list[Entry]:
        with Path(os.devnull).open() as no_lock:
            return Ledger(INSTANCE, own / "state" / INSTANCE, no_lock).entries()

    def has_kubelet() -> bool:
        return any(entry.facts.get("role") == "kubelet of node-1" for entry in recorded())

    with Terminal(MAKE_RUN, env=environment) as terminal:
        assert terminal.read(until="1 node Ready", timeout_seconds=300), terminal.output
        eventually(has_kubelet, what="a kubelet in the ledger")
        started = recorded()
        terminal.press(CTRL_C)
        terminal.read(timeout_seconds=180)
        assert terminal.wait(60) != 0

    *_, removing, last, _make = terminal.output.replace("\r", "").strip().splitlines()
    assert (removing, last) == ("Removing everything ...", "Interrupted. Nothing is left.")
    processes = [entry.facts for entry in started if entry.kind == "process"]
    assert len(processes) > 5
    assert not [f for f in processes if removal.is_same_process(f["pid"], f["started"])]
    (link,) = [entry.facts["name"] for entry in started if entry.kind == "link"]
    assert not Path("/sys/class/net", link).exists()
    assert [Path(e.facts["path"]) for e in started if e.kind == "cgroup"]
    for folder in ("run", "state"):
        assert list((own / folder).iterdir()) == []
