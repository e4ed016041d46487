import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from carthub_dev import removal, session
from tests.support.ledgers import first_line
from tests.support.terminal import CTRL_C, Terminal

# An owner as `run` is one: a part of its own, and an end on request.
OWNER = """
    import signal, sys, threading
    from pathlib import Path
    from carthub_dev.ledger import Ledger
    from carthub_dev.processes import Process

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with Ledger.open("test") as ledger:
        log = ledger.make_directory("logs") / "part.log"
        part = Process(["sleep", "600"], log=log, ledger=ledger, role="part").start()
        try:
            print(part.pid, flush=True)
            threading.Event().wait()
        except KeyboardInterrupt:
            pass
"""

# The shell stays and waits, as make does: the hangup is its own, and it tells nobody.
WAITER = "trap : HUP; {python} -c 'import sys; from carthub_dev import session; {program}'; exit 7"
PROGRAM = (
    'session.wait_for_the_end(lambda: print("waits", flush=True)); '
    'open(sys.argv[1], "w").write("ended")'
)


@pytest.fixture
def owner(own_state: Path) -> subprocess.Popen[str]:
    assert not own_state.exists()
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(OWNER)], stdout=subprocess.PIPE, text=True
    )


def test_down_ends_the_owner_and_what_it_started(owner: subprocess.Popen[str]) -> None:
    with owner:
        pid = int(first_line(owner))
        assert [(p["role"], p["pid"], p["runs"]) for p in session.parts("test")] == [
            ("part", pid, True)
        ]

        assert session.end("test")

    assert owner.returncode == 0
    # Gone, or waiting to be buried by a parent that is not ours.
    assert removal.start_time(pid) is None
    assert not session.end("test")


def test_down_removes_what_a_killed_owner_left(owner: subprocess.Popen[str]) -> None:
    with owner:
        pid = int(first_line(owner))
        owner.kill()
    assert removal.start_time(pid) is not None

    assert session.end("test")

    assert removal.start_time(pid) is None
    assert session.parts("test") == []


def end_of_waiting(tmp_path: Path, end: Callable[[Terminal], None]) -> str:
    """Return what a program on a terminal does after it was made to end."""
    kept = tmp_path / "kept"
    program = PROGRAM.replace("sys.argv[1]", f'"{kept}"')
    command = WAITER.format(python=sys.executable, program=program)
    with Terminal(command, env=dict(os.environ)) as terminal:
        # The whole line: the terminal takes it in parts.
        assert terminal.read(until="waits\r\n", timeout_seconds=90)
        assert not kept.exists()
        end(terminal)
        terminal.wait(60)
    return kept.read_text()


def test_ctrl_c_ends_the_waiting(tmp_path: Path) -> None:
    assert end_of_waiting(tmp_path, lambda terminal: terminal.press(CTRL_C)) == "ended"


def test_a_closed_terminal_ends_the_waiting(tmp_path: Path) -> None:
    assert end_of_waiting(tmp_path, lambda terminal: terminal.close()) == "ended"


def test_an_instance_that_is_not_up_has_no_state(owner: subprocess.Popen[str]) -> None:
    with owner:
        first_line(owner)
        assert session.read_state("test") is None
        session.end("test")
    assert session.read_state("test") is None
