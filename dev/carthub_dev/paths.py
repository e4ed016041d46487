"""Where the platform keeps things: caches, state that survives a crash, and short run folders.

Nothing is written into the checkout. Every place can be moved by an environment variable.
"""

import os
import pwd
from pathlib import Path

from carthub_dev.errors import PlatformError, UnusableFolder

REPOSITORY = Path(__file__).resolve().parents[2]
TOOL_SOURCES = REPOSITORY / "dev" / "tools"


def cache_dir() -> Path:
    """Return the folder of built tools: expensive to make, safe to delete."""
    default = _base("XDG_CACHE_HOME", ".cache") / "carthub"
    return _made(_from("CARTHUB_CACHE") or default, moved_by="CARTHUB_CACHE")


def state_root() -> Path:
    """Return the folder with one folder per instance."""
    default = _base("XDG_STATE_HOME", ".local/state") / "carthub"
    return _made(_from("CARTHUB_STATE") or default, moved_by="CARTHUB_STATE")


def instance_dir(instance: str) -> Path:
    """Return where the folder is in which an instance remembers what it started."""
    if not instance or "/" in instance or instance.startswith("."):
        raise PlatformError(f"instance is {instance!r}, must be a plain folder name")
    return state_root() / instance


def made_instance_dir(instance: str) -> Path:
    """Return the same folder, made where there is none."""
    return _made(instance_dir(instance), moved_by="CARTHUB_STATE")


def run_parent() -> Path:
    """Return the folder under which short-lived run folders are made.

    Short, because a socket path must stay under 108 characters, and open to other users to
    pass through, because PostgreSQL refuses to run as root.
    """
    given = _from("CARTHUB_RUN")
    default = Path("/tmp")  # noqa: S108 - names below it are random
    return _made(given or default, moved_by="CARTHUB_RUN")


def _from(variable: str) -> Path | None:
    value = os.environ.get(variable)
    return Path(value).absolute() if value else None


def _base(variable: str, below_home: str) -> Path:
    # An empty HOME is as none: what is below it would be below the working folder.
    home = os.environ.get("HOME") or pwd.getpwuid(os.getuid()).pw_dir
    return _from(variable) or Path(home).absolute() / below_home


def _made(path: Path, *, moved_by: str) -> Path:
    try:
        path.mkdir(parents=True, exist_ok=True)
        reason = "" if os.access(path, os.W_OK | os.X_OK) else "it is read-only"
    except OSError as error:
        reason = error.strerror or str(error)
    if reason:
        raise UnusableFolder(f"folder {path} cannot be used ({reason}): set {moved_by} to another")
    return path
