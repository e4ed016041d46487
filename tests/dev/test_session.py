import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from carthub_dev import removal, session
from tests.support.ledgers import first_line

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
        print(part.pid, flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            pass
"""


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


def test_an_instance_that_is_not_up_has_no_state(owner: subprocess.Popen[str]) -> None:
    with owner:
        first_line(owner)
        assert session.read_state("test") is None
        session.end("test")
    assert session.read_state("test") is None
