import json
import os
import signal
import subprocess
from pathlib import Path

import psutil
import pytest

from carthub_dev import ledger as ledgers
from carthub_dev import removal
from carthub_dev.errors import CleanupFailed, InstanceInUse, PlatformError
from carthub_dev.ledger import Ledger
from carthub_dev.processes import wait_until
from tests.support.ledgers import first_line, start_python

# Starts a process that has a child in another session, which no signal to a group reaches.
OWNER = """
    import sys, pathlib, signal, time
    from carthub_dev.ledger import Ledger
    from carthub_dev.processes import Process
    ledger = Ledger.open("test")
    folder = ledger.make_directory("test")
    child = Process(
        [sys.executable, "-c",
         "import subprocess, time; p = subprocess.Popen(['sleep', '600'], start_new_session=True);"
         "print(p.pid, flush=True); time.sleep(600)"],
        log=folder / "log", ledger=ledger).start()
    child.wait_until_ready(lambda: child.log_tail().endswith("\\n"))
    print(child.pid, child.log_tail().strip(), folder, flush=True)
    signal.pause()
"""


def is_alive(pid: int) -> bool:
    return removal.start_time(pid) is not None


def test_next_start_removes_what_a_killed_owner_left(own_state: Path) -> None:
    with start_python(OWNER) as owner:
        child, grandchild, folder = first_line(owner).split()
        owner.kill()
    assert is_alive(int(child))
    assert is_alive(int(grandchild))
    assert Path(folder).is_dir()
    assert ledgers.instances() == ["test"]
    assert ledgers.owner("test") is None

    with Ledger.open("test") as ledger:
        assert ledger.entries() == []

    assert not is_alive(int(child))
    assert not is_alive(int(grandchild))
    assert not Path(folder).exists()
    assert not (own_state / "test").exists()


def test_a_process_killed_before_its_pid_was_recorded_is_found_by_its_token(
    own_ledger: Ledger,
) -> None:
    own_ledger.expected_process(role="sleep", token="a-token-of-this-test")
    environment = {**os.environ, removal.TOKEN_VARIABLE: "a-token-of-this-test"}
    with subprocess.Popen(["sleep", "600"], env=environment) as sleeper:
        own_ledger.clean()
        assert sleeper.wait(60) == -signal.SIGKILL


def test_instance_of_a_living_owner_is_refused(own_state: Path) -> None:
    with start_python(OWNER) as owner:
        child = int(first_line(owner).split()[0])
        with pytest.raises(InstanceInUse, match="instance test is in use"):
            Ledger.open("test")
        assert ledgers.clean_abandoned() == []
        assert is_alive(child)
        found = ledgers.owner("test")
        assert found is not None
        assert found.pid == owner.pid
        owner.kill()
    assert ledgers.clean_abandoned(prefix="another") == []
    assert ledgers.clean_abandoned() == ["test"]
    assert not is_alive(child)
    assert list(own_state.iterdir()) == []


def test_reused_pid_is_left_alone(own_ledger: Ledger) -> None:
    with subprocess.Popen(["sleep", "600"]) as sleeper:
        own_ledger.process(sleeper.pid, role="sleep")
        file = own_ledger.folder / ledgers.FILE_NAME
        lines = [json.loads(line) for line in file.read_text().splitlines()]
        lines[-1]["facts"]["started"] -= 1
        file.write_text("".join(json.dumps(line) + "\n" for line in lines))

        own_ledger.clean()

        assert sleeper.poll() is None
        sleeper.kill()


def test_things_are_removed_newest_first_and_twice_is_the_same(own_ledger: Ledger) -> None:
    outer = own_ledger.make_directory("outer", mode=0o711)
    inner = own_ledger.make_directory("inner", parent=outer)
    (inner / "file").touch()
    assert [entry.facts["path"] for entry in own_ledger.entries()] == [str(outer), str(inner)]
    assert outer.stat().st_mode & 0o777 == 0o711

    own_ledger.clean()
    own_ledger.clean()

    assert not outer.exists()
    assert own_ledger.entries() == []


def test_a_line_cut_short_by_a_crash_is_skipped(own_ledger: Ledger) -> None:
    folder = own_ledger.make_directory("test")
    with (own_ledger.folder / ledgers.FILE_NAME).open("a") as file:
        file.write('{"id": "a", "kind": "dire')
    assert [entry.facts["path"] for entry in own_ledger.entries()] == [str(folder)]


def test_what_cannot_be_removed_stays_recorded(own_ledger: Ledger) -> None:
    kept = own_ledger.directory(Path("/"))
    removed = own_ledger.make_directory("test")
    with pytest.raises(CleanupFailed, match="folder / is not one that the platform makes"):
        own_ledger.clean()
    assert own_ledger.entries() == [kept]
    assert not removed.exists()
    own_ledger.forget(kept)


def test_a_plain_folder_name_is_required_of_an_instance(own_state: Path) -> None:
    with pytest.raises(PlatformError, match=r"instance is '\.\./x', must be a plain folder name"):
        Ledger.open("../x")
    assert not own_state.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts, links and namespaces need root")
class TestKernelObjects:
    def test_mounts_below_a_folder_are_undone_before_it_is_removed(
        self, own_ledger: Ledger, tmp_path: Path
    ) -> None:
        precious = tmp_path / "precious"
        precious.mkdir()
        (precious / "file").touch()
        folder = own_ledger.make_directory("with blank")
        inside = folder / "bound"
        inside.mkdir()
        own_ledger.mount(inside)
        subprocess.run(["mount", "--bind", precious, inside], check=True)

        own_ledger.clean()

        assert not folder.exists()
        assert (precious / "file").exists()

    def test_a_busy_mount_is_taken_out_of_the_tree(self, own_ledger: Ledger) -> None:
        folder = own_ledger.make_directory("test")
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", folder], check=True)
        with subprocess.Popen(["sleep", "600"], cwd=folder) as sleeper:
            own_ledger.clean()
            sleeper.kill()
        assert not folder.exists()

    def test_namespace_links_and_routes_go(self, own_ledger: Ledger) -> None:
        name = f"ct{os.getpid()}"
        own_ledger.netns(name)
        subprocess.run(["ip", "netns", "add", name], check=True)
        own_ledger.link(f"{name}a")
        subprocess.run(
            ["ip", "link", "add", f"{name}a", "type", "veth", "peer", "name", f"{name}b"],
            check=True,
        )
        subprocess.run(["ip", "address", "add", "198.18.77.1/30", "dev", f"{name}a"], check=True)
        subprocess.run(["ip", "link", "set", f"{name}a", "up"], check=True)
        own_ledger.route("198.18.78.0/24", device=f"{name}a")
        subprocess.run(["ip", "route", "add", "198.18.78.0/24", "dev", f"{name}a"], check=True)
        own_ledger.link("inner", netns=name)
        subprocess.run(
            ["ip", "-n", name, "link", "add", "inner", "type", "veth", "peer", "name", "other"],
            check=True,
        )
        route, inner = own_ledger.entries()[-2:]

        own_ledger.remove(inner)
        assert "inner" not in output("ip", "-n", name, "link")
        own_ledger.remove(route)
        assert output("ip", "route", "show", "198.18.78.0/24") == ""
        own_ledger.clean()

        assert f"{name}a" not in output("ip", "link")
        assert name not in output("ip", "netns")

    def test_processes_in_a_control_group_end_with_it(self, own_ledger: Ledger) -> None:
        controller = next(
            (
                path
                for path in (Path("/sys/fs/cgroup/pids"), Path("/sys/fs/cgroup"))
                if (path / "cgroup.procs").exists() and os.access(path, os.W_OK)
            ),
            None,
        )
        if controller is None:
            pytest.skip("no writable control groups here")
        group = controller / f"carthub-test-{os.getpid()}"
        own_ledger.cgroup(group)
        (group / "below").mkdir(parents=True)
        with subprocess.Popen(["sleep", "600"]) as sleeper:
            (group / "below" / "cgroup.procs").write_text(str(sleeper.pid))
            own_ledger.clean()
            assert sleeper.wait(60) == -signal.SIGKILL
        assert not group.exists()


def test_a_control_group_with_this_very_process_is_refused(
    own_ledger: Ledger, tmp_path: Path
) -> None:
    (tmp_path / "cgroup.procs").write_text(str(os.getpid()))
    entry = own_ledger.cgroup(tmp_path)
    with pytest.raises(CleanupFailed, match="holds this very process"):
        own_ledger.clean()
    own_ledger.forget(entry)


def output(*argv: str) -> str:
    return subprocess.run(argv, capture_output=True, text=True, check=False).stdout


def test_start_time_of_a_gone_process_is_none() -> None:
    with subprocess.Popen(["true"]) as gone:
        wait_until(lambda: not is_alive(gone.pid), 60, what="a zombie")
    assert removal.start_time(gone.pid) is None
    assert removal.start_time(os.getpid()) is not None
    assert not psutil.pid_exists(gone.pid)


def test_only_what_came_later_is_removed(own_ledger: Ledger) -> None:
    earlier = own_ledger.make_directory("earlier")
    kept = own_ledger.ids()
    later = own_ledger.make_directory("later")

    own_ledger.remove_all_but(kept)

    assert (earlier.exists(), later.exists()) == (True, False)
    assert own_ledger.ids() == kept
