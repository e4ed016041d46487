import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from carthub_dev.cli import app
from carthub_dev.ledger import Ledger
from tests.support.ledgers import first_line, start_python

OWNER = """
    import signal
    from carthub_dev.ledger import Ledger
    ledger = Ledger.open("local")
    ledger.make_directory("left")
    print("open", flush=True)
    signal.pause()
"""

runner = CliRunner()
pytestmark = pytest.mark.usefixtures("own_state")


@pytest.mark.parametrize("command", ["run", "up"])
def test_without_root_one_sentence_names_the_way_out(
    command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)

    done = runner.invoke(app, [command])

    assert done.exit_code == 1
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("carthub: the embedded platform needs root on Linux")
    assert "sudo make run" in done.stderr
    assert "kubectl apply -k deploy/operator" in done.stderr


@pytest.mark.parametrize("command", [["images"], ["push", "registry.example.com"]])
def test_without_root_no_image_is_built(
    command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)

    done = runner.invoke(app, command)

    assert done.exit_code == 1
    way_out = f"use `sudo make {command[0]}`"
    assert done.stderr == f"carthub: building images needs root on Linux: {way_out}\n"


def test_make_asks_before_it_sets_anything_up_and_needs_only_python() -> None:
    root = Path(__file__).parents[2]
    planned = subprocess.run(
        ["make", "--dry-run", "READY=not-there", "run"],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert 0 < planned.index("-m carthub_dev.privileges") < planned.index("-m venv")

    program = "import os, runpy; os.geteuid = lambda: 1000; runpy.run_module({!r}, run_name={!r})"
    asked = subprocess.run(
        # -S: without what is installed.
        [sys.executable, "-S", "-c", program.format("carthub_dev.privileges", "__main__")],
        env={**os.environ, "PYTHONPATH": str(root / "dev")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert asked.returncode == 1
    assert asked.stderr.startswith("carthub: the embedded platform needs root on Linux")


def test_elsewhere_than_on_linux_the_same_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "darwin")
    assert "needs root on Linux" in runner.invoke(app, ["run"]).stderr


def test_the_way_out_exists() -> None:
    root = Path(__file__).parents[2]
    assert (root / "deploy" / "operator" / "kustomization.yaml").exists()
    assert list((root / "crds").glob("*.yaml"))


def test_down_of_nothing_is_no_error() -> None:
    done = runner.invoke(app, ["down"])
    assert (done.exit_code, done.stdout) == (0, "Instance local is not there.\n")


def test_status_of_nothing_tells_by_its_exit_code() -> None:
    table = runner.invoke(app, ["status"])
    assert (table.exit_code, table.stdout) == (3, "Instance local is not up.\n")

    done = runner.invoke(app, ["status", "--output", "json"])
    assert done.exit_code == 3
    assert json.loads(done.stdout) == {"state": None, "parts": []}


@pytest.mark.parametrize("command", ["rotate", "env"])
def test_what_looks_at_an_instance_needs_one_that_is_up(command: str) -> None:
    done = runner.invoke(app, [command])
    assert (done.exit_code, done.stdout) == (1, "")
    assert "instance local is not up" in done.stderr


def test_a_second_start_is_told_how_to_see_and_end_the_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    with Ledger.open("second"):
        done = runner.invoke(app, ["run", "--instance", "second"])
    assert done.exit_code == 1
    refused, way_out = done.stderr.splitlines()
    assert refused == f"carthub: instance second is in use by process {os.getpid()}"
    assert "`make status` shows it, `make down` ends it; INSTANCE=name" in way_out


def test_up_is_refused_at_once_while_the_first_still_starts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    with Ledger.open("local"):
        done = runner.invoke(app, ["up"])
        status = runner.invoke(app, ["status"])
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith("carthub: instance local is being started or removed\n`make")
    assert status.stdout == "Instance local is being started or removed.\n"


def test_status_says_that_an_owner_was_killed_and_what_removes_the_rest() -> None:
    with start_python(OWNER) as owner:
        assert first_line(owner) == "open"
        owner.kill()
    status = runner.invoke(app, ["status"])
    assert status.stdout == "Instance local was killed; `make down` removes what it left.\n"
    assert runner.invoke(app, ["down"]).exit_code == 0
    assert runner.invoke(app, ["status"]).stdout == "Instance local is not up.\n"


def test_a_name_that_is_no_folder_name_is_refused_in_words() -> None:
    done = runner.invoke(app, ["down", "--instance", "../x"])
    assert done.exit_code == 1
    assert done.stderr == "carthub: instance is '../x', must be a plain folder name\n"


def test_more_nodes_than_there_are_addresses_for_are_refused() -> None:
    assert runner.invoke(app, ["run", "--nodes", "4"]).exit_code == 2
