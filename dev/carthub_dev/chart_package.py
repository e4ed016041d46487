"""The Helm chart of the operator as a package: the same files give the same bytes."""

import os
import subprocess
from pathlib import Path

from carthub_dev import paths, toolchain
from carthub_dev.errors import BuildFailed

CHART = Path("charts", "carthub-operator")


def build(
    folder: Path, *, version: str, epoch: int, home: Path, root: Path = paths.REPOSITORY
) -> Path:
    """Package the chart into a folder; all files in it are of that time.

    `home` is for Helm's own files: what a person has set up for Helm is not read.
    """
    helm = toolchain.tool_set("helm").binary("helm")
    homes = {f"HELM_{kind}_HOME": str(home) for kind in ("CACHE", "CONFIG", "DATA")}
    done = subprocess.run(
        [
            *(helm, "package", root / CHART, "--destination", folder),
            *("--version", version, "--app-version", version),
        ],
        env={**os.environ, **homes, "SOURCE_DATE_EPOCH": str(epoch)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise BuildFailed(f"helm package ended with {done.returncode}: {done.stderr.strip()}")
    return folder / f"{CHART.name}-{version}.tgz"
