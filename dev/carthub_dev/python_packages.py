"""The wheel and the source archive of this project.

Two builds of the same files give the same bytes, wherever they are and whoever may read them.
"""

import os
import subprocess
import sys
from pathlib import Path

from carthub_dev import paths
from carthub_dev.errors import BuildFailed


def build(folder: Path, *, epoch: int, root: Path = paths.REPOSITORY) -> list[Path]:
    """Build both into a folder and return them; all files in them are of that time."""
    # The pinned build tool itself: nothing is installed to build.
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(folder)]
    before = {*folder.glob("*")}
    done = subprocess.run(
        command,
        cwd=root,
        env={**os.environ, "SOURCE_DATE_EPOCH": str(epoch)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise BuildFailed(f"hatchling ended with {done.returncode}:\n{done.stderr[-3000:]}")
    return sorted({*folder.glob("*")} - before)
