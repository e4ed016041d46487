from pathlib import Path

import pytest

from carthub_dev import cgroups
from carthub_dev.ledger import Ledger


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cgroup"
    folder.mkdir()
    monkeypatch.setattr(cgroups, "ROOT", folder)
    return folder


def _hierarchy(root: Path, name: str) -> Path:
    folder = root / name
    folder.mkdir()
    (folder / "cgroup.procs").touch()
    return folder


def _recorded(ledger: Ledger) -> set[str]:
    return {entry.facts["path"] for entry in ledger.entries() if entry.kind == "cgroup"}


def _forget_all(ledger: Ledger) -> None:
    # The stand-ins are plain folders that no removal of control groups can remove.
    for entry in ledger.entries():
        ledger.forget(entry)


def test_version_1_gets_a_group_in_every_hierarchy(root: Path, own_ledger: Ledger) -> None:
    for name in ("memory", "pids", "unified"):
        _hierarchy(root, name)
    joined = _hierarchy(root, "cpu,cpuacct")
    for name in ("cpu", "cpuacct"):
        (root / name).symlink_to(joined)

    cgroups.create(own_ledger, "node")

    expected = {root / name / "node" for name in ("memory", "pids", "unified", "cpu,cpuacct")}
    assert all(group.is_dir() for group in expected)
    assert _recorded(own_ledger) == {str(group) for group in expected}
    _forget_all(own_ledger)


def test_version_2_gets_one_group_with_all_controllers(root: Path, own_ledger: Ledger) -> None:
    (root / "cgroup.controllers").write_text("cpu memory pids")

    cgroups.create(own_ledger, "node")

    assert _recorded(own_ledger) == {str(root / "node")}
    assert (root / "cgroup.subtree_control").exists()
    assert (root / "node" / "cgroup.subtree_control").exists()
    _forget_all(own_ledger)
