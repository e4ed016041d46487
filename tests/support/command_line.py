"""The command line `carthub` as a shell runs it, without a shell."""

import contextlib
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from unittest import mock

from carthub_operator.cli.__main__ import complete, main


@dataclass(frozen=True)
class Answer:
    """What a command printed, and how it ended."""

    code: int
    out: str
    err: str


def carthub(*arguments: str, stdin: str = "") -> Answer:
    """Run `carthub` with these arguments."""
    return _answer(main, arguments, stdin)


def completions(*words: str) -> tuple[list[str], str]:
    """Return what may stand for the last word, as kubectl is told: words, and its directive."""
    answer = _answer(complete, words, "")
    assert (answer.code, answer.err) == (0, "")
    *lines, directive = answer.out.splitlines()
    return [line.partition("\t")[0] for line in lines], directive


def _answer(
    program: Callable[[Sequence[str]], None], arguments: Sequence[str], stdin: str
) -> Answer:
    out, err = io.StringIO(), io.StringIO()
    code: object = None
    with (
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        mock.patch("sys.stdin", io.StringIO(stdin)),
    ):
        try:
            program(arguments)
        except SystemExit as ended:
            code = ended.code
    assert isinstance(code, int | None)
    return Answer(int(code or 0), out.getvalue(), err.getvalue())
