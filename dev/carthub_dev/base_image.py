"""The base image for machines that cannot pull the official Python image.

Debian's own Python 3.11 on a minimal Debian 12, made from Debian's packages. Without bytecode,
like the official image: the Dockerfiles compile what they ship. Two runs on the same packages
give the same bytes.
"""

import hashlib
import subprocess
from pathlib import Path

from carthub_dev import buildah, programs
from carthub_dev.errors import BuildFailed

SUITE = "bookworm"
# usr-is-merged instead of usrmerge, which would bring 46 MB of Perl.
# libstdc++6: greenlet's wheel links it; the official Python images have it because apt does.
PACKAGES = ("usr-is-merged", "python3", "python3-venv", "ca-certificates", "libstdc++6")

_NEVER_READ = ("doc", "man", "locale", "info")
_KEPT = "/usr/share/doc/*/copyright"
_CLEANUPS = (
    'find "$1/usr" -name __pycache__ -prune -exec rm -rf {} +',
    'rm -rf "$1"/var/cache/debconf/*-old "$1"/var/cache/ldconfig/*',
    'rm -rf "$1"/var/lib/dpkg/*-old "$1"/var/log/*',
)
# Leave out apt, which minbase would have: nothing is installed into a running container.
_RECIPE = (
    "mmdebstrap",
    "--mode=root",
    "--quiet",
    "--variant=essential",
    f"--include={','.join(PACKAGES)}",
    "--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr",
    "--skip=output/dev",
    *(f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in _NEVER_READ),
    f"--dpkgopt=path-include={_KEPT}",
    *(f"--customize-hook={cleanup}" for cleanup in _CLEANUPS),
    SUITE,
)


def recipe_key() -> str:
    """Return what identifies the recipe; the packages of the day are not part of it."""
    return hashlib.sha256("\0".join(_RECIPE).encode()).hexdigest()[:16]


def make(archive: Path, *, scratch: Path, environment: dict[str, str]) -> None:
    """Write the root file system as a tar file; 30 to 75 s."""
    unfinished = scratch / "base.tar"
    done = subprocess.run(
        buildah.contained(*_RECIPE, unfinished),
        env={**environment, "PATH": programs.search_path(), "TMPDIR": str(scratch)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise BuildFailed(f"mmdebstrap ended with {done.returncode}:\n{done.stderr[-3000:]}")
    archive.parent.mkdir(parents=True, exist_ok=True)
    unfinished.replace(archive)
