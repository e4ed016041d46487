import os
import signal
from pathlib import Path

import pytest

from carthub_dev import packages
from carthub_dev.errors import ToolMissing
from carthub_dev.ledger import Ledger
from tests.support.cluster import eventually
from tests.support.ledgers import first_line, start_python

UNKNOWN = "carthub-no-such-package"

# As `make run` while it installs, with an apt and a policy of the test's own.
INSTALLING = """
    import pathlib, sys
    from carthub_dev import packages
    from carthub_dev.errors import ToolMissing
    from carthub_dev.ledger import Ledger

    folder = pathlib.Path(sys.argv[1])
    packages._APT, packages._POLICY = (str(folder / "apt"),), folder / "policy"
    with Ledger.open(sys.argv[2]) as ledger:
        try:
            packages.ensure(["carthub-no-such-package"], "to test", ledger=ledger, say=print)
        except KeyboardInterrupt:
            print("interrupted", flush=True)
        except ToolMissing:
            pass
"""
# As where something else of the machine is updating, the first time.
BUSY = """#!/bin/sh
cd "$(dirname "$0")"
echo $1 >> called
[ $1 = update ] && mkdir tried 2> /dev/null || exit 0
echo "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 1 (apt-get)"
exit 100
"""
# Says that it runs, and ends once another waits for it, or half a minute later.
SLOW = """#!/bin/sh
cd "$(dirname "$0")"
echo $1 >> called
for _ in $(seq 600); do [ -e waited ] && break; sleep 0.05; done
echo ended >> called
"""
# Says that it runs, and ends when it is let.
APT = """#!/bin/sh
cat "$(dirname "$0")/policy" > "$(dirname "$0")/seen"
touch "$(dirname "$0")/running"
read line < "$(dirname "$0")/let"
echo $1 >> "$(dirname "$0")/finished"
"""


def _write(program: Path, text: str) -> None:
    program.write_text(text)
    program.chmod(0o755)


def test_what_is_present_is_not_touched(
    own_ledger: Ledger, capsys: pytest.CaptureFixture[str]
) -> None:
    assert packages.ensure(["util-linux"], "to test", ledger=own_ledger) == []
    assert capsys.readouterr().out == ""


def test_an_unknown_package_is_looked_up_in_the_package_database() -> None:
    assert not packages.is_present(UNKNOWN)


def test_nothing_is_installed_when_forbidden(
    own_ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(packages.NEVER_INSTALL, "1")
    with pytest.raises(ToolMissing, match=r"carthub-no-such-package: missing, needed to test"):
        packages.ensure([UNKNOWN], "to test", ledger=own_ledger)


def test_without_root_it_says_what_is_missing_and_the_way_out(
    own_ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(packages.NEVER_INSTALL, raising=False)
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(ToolMissing, match=r"needed to test; only root .*crds/ .*deploy/operator"):
        packages.ensure([UNKNOWN], "to test", ledger=own_ledger)


@pytest.fixture
def _as_root_on_debian(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(packages.NEVER_INSTALL, raising=False)
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr("carthub_dev.programs.find", lambda _: Path("/usr/bin/apt-get"))
    monkeypatch.setattr(packages, "_POLICY", tmp_path / "policy")


@pytest.mark.usefixtures("_as_root_on_debian")
def test_a_failed_installation_shows_what_apt_said_and_leaves_no_policy(
    own_ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packages, "_APT", ("false",))
    said: list[str] = []
    with pytest.raises(ToolMissing, match="false update ended with 1"):
        packages.ensure([UNKNOWN], "to test", ledger=own_ledger, say=said.append)
    assert said[0].startswith(f"Installing Debian packages, needed to test: {UNKNOWN}")
    assert not (tmp_path / "policy").exists()
    assert own_ledger.entries() == []


@pytest.mark.usefixtures("_as_root_on_debian")
def test_the_machines_own_policy_stays(
    own_ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "policy").write_text("its own")
    monkeypatch.setattr(packages, "_APT", ("true",))
    with pytest.raises(ToolMissing, match="installed, but the program is not found"):
        packages.ensure([UNKNOWN], "to test", ledger=own_ledger, say=lambda _: None)
    assert (tmp_path / "policy").read_text() == "its own"


@pytest.mark.usefixtures("_as_root_on_debian")
def test_an_update_of_another_program_is_waited_for(
    own_ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _write(tmp_path / "apt", BUSY)
    monkeypatch.setattr(packages, "_APT", (str(tmp_path / "apt"),))
    monkeypatch.setattr(packages, "_AGAIN_SECONDS", 0.0)
    with pytest.raises(ToolMissing, match="installed, but the program is not found"):
        packages.ensure([UNKNOWN], "to test", ledger=own_ledger, say=lambda _: None)
    assert (tmp_path / "called").read_text().split() == ["update", "update", "install"]


@pytest.mark.skipif(os.geteuid() != 0, reason="installs packages: needs root")
@pytest.mark.usefixtures("own_state")
def test_two_install_one_after_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _write(tmp_path / "apt", SLOW)
    monkeypatch.delenv(packages.NEVER_INSTALL, raising=False)
    called = tmp_path / "called"
    with start_python(INSTALLING, tmp_path, "first") as first:
        eventually(called.exists, what="the first has come to apt")
        with start_python(INSTALLING, tmp_path, "second") as second:
            assert first_line(second).startswith("Installing Debian packages")
            said = first_line(second)
            (tmp_path / "waited").touch()
            second.communicate()
        first.communicate()
    assert said == "Another process installs Debian packages: waiting for it"
    assert called.read_text().split() == ["update", "ended", "install", "ended"] * 2
    assert not (tmp_path / "policy").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="installs packages: needs root")
def test_apt_is_waited_for_when_interrupted(
    own_state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _write(tmp_path / "apt", APT)
    os.mkfifo(tmp_path / "let")
    monkeypatch.delenv(packages.NEVER_INSTALL, raising=False)
    with start_python(INSTALLING, tmp_path, "test") as installing:
        assert first_line(installing).startswith("Installing Debian packages")
        # Opens once apt has come to reading it.
        with (tmp_path / "let").open("w") as let:
            installing.send_signal(signal.SIGINT)
            assert first_line(installing).startswith("Interrupted: waiting for apt")
            let.write("go on\n")
        assert first_line(installing) == "interrupted"
    assert (tmp_path / "seen").read_text().endswith("exit 101\n")
    assert (tmp_path / "finished").read_text() == "update\n"
    assert not (tmp_path / "policy").exists()
    assert not (own_state / "test").exists()
