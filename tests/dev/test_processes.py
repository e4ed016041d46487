import signal
import sys
from pathlib import Path

import pytest

from carthub_dev.errors import NotReady, ProcessEnded
from carthub_dev.ledger import Ledger
from carthub_dev.processes import Process, wait_until
from carthub_dev.removal import start_time

STUBBORN = (
    "import signal, subprocess, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "child = subprocess.Popen(['sleep', '600']); print(child.pid, flush=True); time.sleep(600)"
)


def is_running(program: Process) -> bool:
    return program.is_running


def test_a_process_is_recorded_while_it_runs(own_ledger: Ledger, tmp_path: Path) -> None:
    program = Process(["sleep", "600"], log=tmp_path / "log", ledger=own_ledger)
    assert not is_running(program)
    with program:
        assert is_running(program)
        [entry] = own_ledger.entries()
        assert entry.facts["pid"] == program.pid
        assert entry.facts["started"] == start_time(program.pid)
        assert entry.facts["role"] == "sleep"
    assert not is_running(program)
    assert own_ledger.entries() == []
    program.terminate()


def test_one_that_ignores_sigterm_is_killed_with_its_children(
    own_ledger: Ledger, tmp_path: Path
) -> None:
    program = Process(
        [sys.executable, "-c", STUBBORN],
        log=tmp_path / "log",
        ledger=own_ledger,
        grace_seconds=0.3,
    ).start()
    program.wait_until_ready(lambda: program.log_tail().endswith("\n"))
    child = int(program.log_tail())
    program.terminate()
    wait_until(lambda: start_time(child) is None, 60, what="the end of the child")
    assert not is_running(program)


def test_it_can_hang_go_on_crash_and_start_again(own_ledger: Ledger, tmp_path: Path) -> None:
    program = Process(["sleep", "600"], log=tmp_path / "log", ledger=own_ledger).start()
    first = program.pid
    program.signal(signal.SIGSTOP)
    assert is_running(program)
    program.signal(signal.SIGCONT)
    program.kill()
    assert not is_running(program)
    assert program.return_code == -signal.SIGKILL
    program.start()
    assert program.pid != first
    program.terminate()


def test_ending_early_is_told_with_the_end_of_the_log(own_ledger: Ledger, tmp_path: Path) -> None:
    program = Process(
        [sys.executable, "-c", "print('port is taken'); raise SystemExit(3)"],
        log=tmp_path / "log",
        ledger=own_ledger,
        role="server",
    ).start()
    with pytest.raises(ProcessEnded, match=r"server ended with code 3.*\nport is taken"):
        program.wait_until_ready(lambda: False)
    program.terminate()
    assert own_ledger.entries() == []


def test_never_ready_is_told_with_the_last_problem(own_ledger: Ledger, tmp_path: Path) -> None:
    def refuse() -> bool:
        raise ConnectionRefusedError("nobody listens")

    with (
        Process(["sleep", "600"], log=tmp_path / "log", ledger=own_ledger) as program,
        pytest.raises(NotReady, match=r"sleep is not ready after 0\.1 s \(nobody listens\)"),
    ):
        program.wait_until_ready(refuse, timeout_seconds=0.1)


def test_one_that_cannot_start_leaves_no_record(own_ledger: Ledger, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Process(["/no/such/program"], log=tmp_path / "log", ledger=own_ledger).start()
    assert own_ledger.entries() == []
