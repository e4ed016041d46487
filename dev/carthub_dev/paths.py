"""Where the platform keeps things: caches, state that survives a crash, and short run folders.

Nothing is written into the checkout. Every place can be moved by an environment variable.
"""

import os
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
TOOL_SOURCES = REPOSITORY / "dev" / "tools"


def cache_dir() -> Path:
    """Return the folder of built tools: expensive to make, safe to delete."""
    return _made(_from("CARTHUB_CACHE") or _base("XDG_CACHE_HOME", ".cache") / "carthub")


def state_root() -> Path:
    """Return the folder with one folder per instance."""
    return _made(_from("CARTHUB_STATE") or _base("XDG_STATE_HOME", ".local/state") / "carthub")


def state_dir(instance: str) -> Path:
    """Return the folder in which an instance remembers what it started."""
    if not instance or "/" in instance or instance.startswith("."):
        raise ValueError(f"instance is {instance!r}, must be a plain folder name")
    return _made(state_root() / instance)


def run_parent() -> Path:
    """Return the folder under which short-lived run folders are made.

    Short, because a socket path must stay under 108 characters, and open to other users to
    pass through, because PostgreSQL refuses to run as root.
    """
    given = _from("CARTHUB_RUN")
    return _made(given) if given else Path("/tmp")  # noqa: S108 - names below it are random


def _from(variable: str) -> Path | None:
    value = os.environ.get(variable)
    return Path(value).absolute() if value else None


def _base(variable: str, below_home: str) -> Path:
    return _from(variable) or Path.home() / below_home


def _made(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    return path
