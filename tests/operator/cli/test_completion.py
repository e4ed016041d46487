"""What kubectl is told when somebody presses TAB behind `kubectl carthub`."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.command_line import carthub, completions

NO_FILES, FILES = ":4", ":0"
COMMANDS = ["status", "wait", "sync", "suspend", "resume", "render", "validate"]


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep from asking a cluster that whoever runs the tests has."""
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))


def test_every_command_is_offered() -> None:
    assert completions("") == (COMMANDS, NO_FILES)


def test_no_word_is_an_empty_word() -> None:
    assert completions() == (COMMANDS, NO_FILES)


def test_a_command_that_is_begun_is_completed() -> None:
    assert completions("re") == (["resume", "render"], NO_FILES)


def test_options_are_offered_where_one_is_begun() -> None:
    assert completions("status", "--na") == (["--namespace"], NO_FILES)
    assert completions("validate", "--s") == (["--server"], NO_FILES)


@pytest.mark.parametrize(
    ("words", "values"),
    [
        (("status", "-o", ""), ["text", "json"]),
        (("status", "--output", "j"), ["json"]),
        (("render", "--output=y"), ["yaml"]),
        (("render", "--output="), ["yaml", "json"]),
    ],
)
def test_the_values_of_a_choice_are_offered(words: tuple[str, ...], values: list[str]) -> None:
    assert completions(*words) == (values, NO_FILES)


@pytest.mark.parametrize(
    "words",
    [
        ("render", "-f", ""),
        ("validate", "--file", "examples/mini"),
        ("render", "--file=exa"),
        ("status", "backend", "--kubeconfig", ""),
    ],
)
def test_the_shell_completes_files_where_a_file_is_wanted(words: tuple[str, ...]) -> None:
    assert completions(*words) == ([], FILES)


@pytest.mark.parametrize(
    "words",
    [
        ("wait", "backend", "--timeout", ""),
        ("status", "-n", ""),
        ("status", "backend", ""),
        ("status", 'it\'s "odd"', ""),
        ("status", "--", "'"),
    ],
)
def test_no_files_are_offered_where_none_are_wanted(words: tuple[str, ...]) -> None:
    assert completions(*words) == ([], NO_FILES)


def test_a_word_with_spaces_is_one_word() -> None:
    assert completions("render", "-f", "my cart.yaml", "-o", "j") == (["json"], NO_FILES)


def test_a_name_is_left_open_where_no_cluster_can_be_asked() -> None:
    assert completions("status", "") == ([], NO_FILES)


def test_an_option_that_ends_a_command_does_nothing_yet() -> None:
    assert completions("--version", "stat") == (["status"], NO_FILES)
    assert carthub("--version").out.startswith("carthub ")


def test_the_question_is_gone_with_its_answer() -> None:
    before = dict(os.environ)

    completions("st")

    assert dict(os.environ) == before


@pytest.mark.parametrize("program", ["main", "complete"])
def test_a_missing_package_is_named_and_nothing_is_offered(program: str) -> None:
    source = (
        "import sys; sys.modules['typer'] = None;"
        f" from carthub_operator.cli.__main__ import {program}; {program}([''])"
    )

    done = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, check=False
    )

    needs = "carthub needs typer: install it with `pip install 'carthub[cli]'`\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", needs)
