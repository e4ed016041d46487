"""One process at a time, of all that run on this machine."""

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path


@contextlib.contextmanager
def alone(
    path: Path, what: str = "", say: Callable[[str], None] = lambda _: None
) -> Iterator[None]:
    """Hold the lock of a folder, or of a file, which is made; it goes with the process.

    Where another process has it, say that this does `what`, as in "builds etcd", and wait.
    """
    if not path.is_dir():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    held = os.open(path, os.O_RDONLY)
    try:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            started = time.monotonic()
            say(f"Another process {what}: waiting for it")
            fcntl.flock(held, fcntl.LOCK_EX)
            say(f"It has ended, after {time.monotonic() - started:.0f} s")
        yield
    finally:
        os.close(held)
