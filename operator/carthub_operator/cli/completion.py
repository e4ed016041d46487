"""What kubectl asks of `kubectl_complete-carthub` when somebody presses TAB.

It gives the words behind `kubectl carthub`, the last of them begun or empty. The answer is one
completion a line, then what the shell may add (kubernetes/kubernetes, pkg/cmd/plugin).
"""

import contextlib
import io
import os
import shlex
from collections.abc import Iterator, Sequence
from enum import IntEnum

from carthub_operator.cli import app, options

# How typer's script for fish asks: that is public, and fish wants the lines that kubectl wants.
_NAME = "carthub"
_QUESTION = {"_CARTHUB_COMPLETE": "complete_fish", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}


class Directive(IntEnum):
    """What the shell does beside, as the library cobra numbers it (ShellCompDirective)."""

    # Where nothing is completed, names of files are.
    DEFAULT = 0
    NO_FILES = 4


def run(words: Sequence[str]) -> None:
    """Print the completions of the last word, and what the shell may add."""
    before, begun = list(words[:-1]), "".join(words[-1:])
    for line in _completions(before, begun):
        print(line)  # noqa: T201 - kubectl reads it
    print(f":{_directive(before, begun)}")  # noqa: T201 - as above


def _completions(before: Sequence[str], begun: str) -> list[str]:
    # An empty word is told by a space at the end.
    line = f"{shlex.join([_NAME, *before])} {shlex.quote(begun) if begun else ''}"
    answer = io.StringIO()
    with (
        _environment(_QUESTION | {"_TYPER_COMPLETE_ARGS": line}),
        contextlib.redirect_stdout(answer),
        contextlib.suppress(SystemExit),
    ):
        app.app(args=[], prog_name=_NAME)
    return [one for one in answer.getvalue().splitlines() if one]


def _directive(before: Sequence[str], begun: str) -> Directive:
    option, is_joined, _ = begun.partition("=")
    is_file = (option if is_joined else "".join(before[-1:])) in options.TAKING_FILES
    return Directive.DEFAULT if is_file else Directive.NO_FILES


@contextlib.contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
