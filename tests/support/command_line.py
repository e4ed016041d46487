"""The command line `carthub` as a shell runs it, without a shell."""

import contextlib
import io
from dataclasses import dataclass
from unittest import mock

from carthub_operator.cli.__main__ import main


@dataclass(frozen=True)
class Answer:
    """What a command printed, and how it ended."""

    code: int
    out: str
    err: str


def carthub(*arguments: str, stdin: str = "") -> Answer:
    """Run `carthub` with these arguments."""
    out, err = io.StringIO(), io.StringIO()
    code: object = None
    with (
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        mock.patch("sys.stdin", io.StringIO(stdin)),
    ):
        try:
            main(arguments)
        except SystemExit as ended:
            code = ended.code
    assert isinstance(code, int | None)
    return Answer(int(code or 0), out.getvalue(), err.getvalue())
