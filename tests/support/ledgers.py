"""A ledger of a test's own, and programs that run it in another process."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path


def start_python(source: str, *arguments: str | Path, **environment: str) -> subprocess.Popen[str]:
    """Start a Python program; its output can be read line by line."""
    return subprocess.Popen(
        # Tests that were started in the background ignore SIGINT; the program shall not.
        [
            "env",
            "--default-signal",
            sys.executable,
            "-c",
            textwrap.dedent(source),
            *map(str, arguments),
        ],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )


def first_line(program: subprocess.Popen[str]) -> str:
    """Wait for the first line a program prints."""
    assert program.stdout is not None
    return program.stdout.readline().strip()
