"""checkov, installed once from its lock into the cache, apart from everything else."""

import fcntl
import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from carthub_dev import paths

_LOCK = paths.REPOSITORY / "requirements" / "policy.lock"


def program() -> Path:
    """Return where checkov is once it is installed."""
    return _folder() / "bin" / "checkov"


def install() -> None:
    """Install checkov where it is not yet: half a minute to two, from PyPI."""
    folder = _folder()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (folder / ".ready").exists():
            return
        print("Installing checkov for the tests of deploy/aws", file=sys.stderr, flush=True)  # noqa: T201 - it takes a while
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet"]
        pip += ["--disable-pip-version-check", "--require-hashes", "-r", str(_LOCK)]
        subprocess.run(pip, check=True)
        (folder / ".ready").touch()


def _folder() -> Path:
    # Of another interpreter an environment is of no use.
    identity = hashlib.sha256(_LOCK.read_bytes() + sys.executable.encode()).hexdigest()[:16]
    return paths.cache_dir() / "checkov" / identity
