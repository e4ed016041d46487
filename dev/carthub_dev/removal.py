"""How each kind of recorded thing is removed; a thing that is already gone is no error.

Nothing is ever found by name: a process is its pid and its start time (or the token in its
environment), everything else is the very path or device that was recorded.
"""

import contextlib
import os
import re
import shutil
import signal as signals
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

import psutil

from carthub_dev import programs
from carthub_dev.errors import CleanupFailed

TOKEN_VARIABLE = "CARTHUB_PROCESS"  # noqa: S105 - the name of a variable, no secret

_KILL_SECONDS = 10.0


def start_time(pid: int) -> float | None:
    """Return when a process started, None once it is gone or only waits to be buried.

    On Linux in ticks since boot: unlike a time of day it does not move with the clock.
    """
    try:
        found = psutil.Process(pid)
        if found.status() == psutil.STATUS_ZOMBIE:
            return None
        if psutil.LINUX:
            # The second field is the name in parentheses and may hold anything.
            return float(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
        return found.create_time()
    except (psutil.NoSuchProcess, ProcessLookupError, FileNotFoundError):
        return None


def is_same_process(pid: int, started: float | None) -> bool:
    """Tell whether a pid still is the process that started then."""
    return started is not None and start_time(pid) == started


def process(
    pid: int | None,
    started: float | None,
    *,
    token: str | None = None,
    stop_signal: int = signals.SIGTERM,
    grace_seconds: float = 5.0,
    **_: object,
) -> None:
    """Ask a process to end, then kill its process group and all that carry its token."""
    if pid is not None and is_same_process(pid, started):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, stop_signal)
        is_gone = _wait_gone({pid: started}, grace_seconds)
        _kill_group(pid)
        if not is_gone and not _wait_gone({pid: started}, _KILL_SECONDS):
            raise CleanupFailed(f"process {pid} outlives SIGKILL")
    rest = _with_token(token) if token else {}
    for survivor in rest:
        with contextlib.suppress(ProcessLookupError):
            os.kill(survivor, signals.SIGKILL)
    if not _wait_gone(rest, _KILL_SECONDS):
        raise CleanupFailed(f"descendants of process {pid} outlive SIGKILL")


def mount(target: str) -> None:
    """Unmount a path and all that is mounted below it."""
    for point in sorted(_mounts_under(target), key=len, reverse=True):
        if _run("umount", point):
            # Busy: out of the tree now, released when its last user ends.
            problem = _run("umount", "--lazy", point)
            if problem and point in _mounts_under(target):
                raise CleanupFailed(problem)


def netns(name: str) -> None:
    """Delete a named network namespace."""
    if Path("/run/netns", name).exists():
        _must("ip", "netns", "delete", name)


def link(name: str, netns: str | None = None) -> None:
    """Delete a network link."""
    if _exists(netns, "link", "show", "dev", name):
        _must("ip", *_inside(netns), "link", "delete", "dev", name)


def route(destination: str, device: str, netns: str | None = None) -> None:
    """Delete a route."""
    if _exists(netns, "route", "show", destination, "dev", device):
        _must("ip", *_inside(netns), "route", "delete", destination, "dev", device)


def cgroup(path: str) -> None:
    """Kill every process in a control group and below it, then remove the groups."""
    root = Path(path)
    deadline = time.monotonic() + _KILL_SECONDS
    while root.exists():
        groups = [Path(folder) for folder, _, _ in os.walk(root, topdown=False)]
        members = [pid for group in groups for pid in _members(group)]
        if os.getpid() in members:
            raise CleanupFailed(f"control group {path} holds this very process")
        for pid in members:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signals.SIGKILL)
        for group in groups:
            # Busy until the kernel has buried its last process.
            with contextlib.suppress(OSError):
                group.rmdir()
        if root.exists():
            if time.monotonic() > deadline:
                raise CleanupFailed(f"control group {path} cannot be removed, pids {members}")
            time.sleep(0.02)


def directory(path: str) -> None:
    """Remove a folder with all it holds, after undoing every mount below it."""
    folder = Path(path)
    if not folder.is_absolute() or len(folder.parts) < 3 or folder == Path.home():  # noqa: PLR2004 - /, a name, and one below it
        raise CleanupFailed(f"folder {path} is not one that the platform makes")
    mount(path)
    if remaining := _mounts_under(path):
        raise CleanupFailed(f"folder {path} still has mounts: {remaining}")
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(folder)


def file(path: str) -> None:
    """Remove a file."""
    Path(path).unlink(missing_ok=True)


def _wait_gone(started: Mapping[int, float | None], timeout_seconds: float) -> bool:
    """Wait until processes are gone, without taking their exit codes from their parents."""
    deadline = time.monotonic() + timeout_seconds
    while any(is_same_process(pid, when) for pid, when in started.items()):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def _kill_group(leader: int) -> None:
    # Every process is started as the leader of its own session, so the group is its own.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if leader != os.getpgrp():
            os.killpg(leader, signals.SIGKILL)


def _with_token(token: str) -> dict[int, float | None]:
    wanted = f"{TOKEN_VARIABLE}={token}".encode()
    found = {}
    for pid in psutil.pids():
        # Gone meanwhile, or of another user and so none of ours.
        with contextlib.suppress(OSError):
            if wanted in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
                found[pid] = start_time(pid)
    return found


def _members(group: Path) -> list[int]:
    try:
        return [int(pid) for pid in (group / "cgroup.procs").read_text().split()]
    except OSError:
        return []


def _mounts_under(path: str) -> list[str]:
    points = []
    with contextlib.suppress(FileNotFoundError):
        for line in Path("/proc/self/mountinfo").read_text().splitlines():
            point = _unescaped(line.split()[4])
            if point == path or point.startswith(path.rstrip("/") + "/"):
                points.append(point)
    return points


def _unescaped(point: str) -> str:
    # The kernel writes blanks and the like as a backslash and three octal digits.
    return re.sub(r"\\([0-7]{3})", lambda escaped: chr(int(escaped[1], 8)), point)


def _inside(netns: str | None) -> tuple[str, ...]:
    return ("-n", netns) if netns else ()


def _exists(netns: str | None, *query: str) -> bool:
    if netns and not Path("/run/netns", netns).exists():
        return False
    shown = _done("ip", *_inside(netns), *query)
    return shown.returncode == 0 and bool(shown.stdout.strip())


def _run(*argv: str) -> str | None:
    """Run a command and return its complaint, or None."""
    done = _done(*argv)
    return f"{' '.join(argv)}: {done.stderr.strip()}" if done.returncode else None


def _done(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    argv = [programs.program(program), *arguments]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


def _must(*argv: str) -> None:
    problem = _run(*argv)
    if problem is not None:
        raise CleanupFailed(problem)
