"""Shell blocks of the documentation, run as a reader runs them."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

# The first command that fails ends the block, as it would end a reader's patience.
_STRICT = "set -euo pipefail\n"


def run_blocks(
    blocks: Sequence[str], *, cwd: Path, env: Mapping[str, str], timeout_seconds: float = 300
) -> str:
    """Run blocks one after the other in one shell, and return what they printed.

    Fails with all of it when a command does. Every command is shown before its output.
    """
    done = subprocess.run(
        ["bash", "-c", _STRICT + "set -v\n" + "\n".join(blocks)],
        cwd=cwd,
        env=dict(env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout_seconds,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout
