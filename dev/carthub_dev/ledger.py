"""The memory of what was started, so that all of it can be removed, even after a SIGKILL.

Every process, mount, namespace, link, control group, folder, file and route is written to
`ledger.jsonl` before it is made. `clean` removes in reverse order. Opening an instance takes a
file lock that the kernel releases with its owner; whoever opens it next removes the leftovers.
"""

import contextlib
import fcntl
import json
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from carthub_dev import paths, removal
from carthub_dev.errors import CleanupFailed, InstanceInUse, PlatformError

FILE_NAME = "ledger.jsonl"
LOCK_NAME = "lock"

_REMOVERS: dict[str, Callable[..., None]] = {
    "process": removal.process,
    "mount": removal.mount,
    "netns": removal.netns,
    "link": removal.link,
    "cgroup": removal.cgroup,
    "directory": removal.directory,
    "file": removal.file,
    "route": removal.route,
}


@dataclass(frozen=True)
class Entry:
    """One recorded thing: its kind and the facts its removal needs."""

    id: str
    kind: str
    facts: dict[str, Any]


@dataclass(frozen=True)
class Owner:
    """The process that opened a ledger."""

    pid: int
    started: float | None


class Ledger:
    """What one instance of the platform has started and not yet removed."""

    def __init__(self, instance: str, folder: Path, lock: IO[str]) -> None:
        self.instance = instance
        self.folder = folder
        self._file = folder / FILE_NAME
        self._lock = lock

    @classmethod
    def open(cls, instance: str) -> Self:
        """Take an instance over, remove what a dead owner left, and start an empty ledger.

        Raises InstanceInUse while its owner lives.
        """
        folder = paths.made_instance_dir(instance)
        lock = _locked(folder)
        if lock is None:
            found = owner(instance)
            by = f"process {found.pid}" if found else "another process"
            raise InstanceInUse(f"instance {instance} is in use by {by}")
        ledger = cls(instance, folder, lock)
        try:
            ledger.clean()
            ledger._append(
                {"owner": {"pid": os.getpid(), "started": removal.start_time(os.getpid())}}
            )
        except BaseException:
            lock.close()
            raise
        return ledger

    def process(self, pid: int, *, role: str, **facts: object) -> Entry:
        """Record a living process by pid and start time.

        `token` names the value of CARTHUB_PROCESS in its environment, `stop_signal` and
        `grace_seconds` say how it ends.
        """
        started = removal.start_time(pid)
        return self._record("process", pid=pid, started=started, role=role, **facts)

    def expected_process(self, *, role: str, token: str, **facts: object) -> Entry:
        """Record a process about to start; until its pid is known the token finds it."""
        return self._record("process", pid=None, started=None, role=role, token=token, **facts)

    def mount(self, target: Path) -> Entry:
        """Record a mount point."""
        return self._record("mount", target=str(target))

    def netns(self, name: str) -> Entry:
        """Record a named network namespace."""
        return self._record("netns", name=name)

    def link(self, name: str, *, netns: str | None = None) -> Entry:
        """Record a network link, of the host unless `netns` is given."""
        return self._record("link", name=name, netns=netns)

    def cgroup(self, path: Path) -> Entry:
        """Record a control group: all processes in it and below it end with it."""
        return self._record("cgroup", path=str(path))

    def directory(self, path: Path) -> Entry:
        """Record a folder, removed with all it holds; mounts below it are undone first."""
        return self._record("directory", path=str(path.absolute()))

    def file(self, path: Path) -> Entry:
        """Record a file outside our own folders."""
        return self._record("file", path=str(path.absolute()))

    def route(self, destination: str, *, device: str, netns: str | None = None) -> Entry:
        """Record a route through a device, of the host unless `netns` is given."""
        return self._record("route", destination=destination, device=device, netns=netns)

    def make_directory(
        self, purpose: str, *, mode: int = 0o700, parent: Path | None = None
    ) -> Path:
        """Make and record a run folder with a short, unguessable name."""
        folder = (parent or paths.run_parent()) / f"carthub-{purpose}-{secrets.token_hex(4)}"
        self.directory(folder)
        folder.mkdir()
        folder.chmod(mode)
        return folder

    def remove_directory(self, folder: Path) -> None:
        """Remove a folder that `make_directory` made; one it did not make is left alone."""
        for entry in self.entries():
            if entry.kind == "directory" and entry.facts["path"] == str(folder):
                self.remove(entry)

    def forget(self, entry: Entry) -> None:
        """Strike out a thing that its maker has removed."""
        self._append({"forget": entry.id})

    def remove(self, entry: Entry) -> None:
        """Remove one thing now and strike it out."""
        _REMOVERS[entry.kind](**entry.facts)
        self.forget(entry)

    def entries(self) -> list[Entry]:
        """Return what is recorded and not struck out, oldest first."""
        return _read(self._file)[1]

    def ids(self) -> frozenset[str]:
        """Return what names the entries there are now, for `remove_all_but`."""
        return frozenset(entry.id for entry in self.entries())

    def remove_all_but(self, kept: frozenset[str]) -> None:
        """Remove what was recorded since `ids` was asked, newest first."""
        for entry in reversed(self.entries()):
            if entry.id not in kept:
                self.remove(entry)

    def clean(self) -> None:
        """Remove everything, newest first; twice is as good as once.

        What cannot be removed stays recorded and is told in one CleanupFailed.
        """
        problems = []
        for entry in reversed(self.entries()):
            try:
                self.remove(entry)
            except (PlatformError, OSError) as error:
                problems.append(f"{entry.kind} {entry.facts}: {error}")
        if problems:
            raise CleanupFailed(f"instance {self.instance} keeps " + "; ".join(problems))
        self._file.unlink(missing_ok=True)

    def close(self) -> None:
        """Clean, then give the instance free."""
        try:
            self.clean()
            # The lock file goes while it is held: an opener that waits for it sees it is gone.
            shutil.rmtree(self.folder, ignore_errors=True)
        finally:
            self._lock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _record(self, kind: str, **facts: object) -> Entry:
        entry = Entry(id=secrets.token_hex(8), kind=kind, facts=facts)
        self._append({"id": entry.id, "kind": kind, "facts": facts, "at": time.time()})
        return entry

    def _append(self, line: dict[str, Any]) -> None:
        # One write in append mode, no fsync: it survives the process, and the machine going
        # down takes all but the folders with it.
        with self._file.open("ab", buffering=0) as file:
            file.write(json.dumps(line).encode() + b"\n")


def owner(instance: str) -> Owner | None:
    """Return the living process that owns an instance, or None."""
    recorded = _read(paths.instance_dir(instance) / FILE_NAME)[0]
    if recorded and removal.is_same_process(recorded.pid, recorded.started):
        return recorded
    return None


def instances() -> list[str]:
    """Return all instances that have left a ledger, alive or not."""
    return sorted(file.parent.name for file in paths.state_root().glob(f"*/{FILE_NAME}"))


def clean_abandoned(prefix: str = "") -> list[str]:
    """Remove what instances with a dead owner left, and return their names."""
    cleaned = []
    for instance in instances():
        if instance.startswith(prefix):
            with contextlib.suppress(InstanceInUse):
                Ledger.open(instance).close()
                cleaned.append(instance)
    return cleaned


def _locked(folder: Path) -> IO[str] | None:
    """Return the held lock of an instance, or None while somebody else holds it."""
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            file = (folder / LOCK_NAME).open("a")
        except FileNotFoundError:
            # Its last owner has just removed the folder.
            continue
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            return None
        # Its last owner may have removed the file between our open and our lock.
        with contextlib.suppress(FileNotFoundError):
            if os.fstat(file.fileno()).st_ino == (folder / LOCK_NAME).stat().st_ino:
                return file
        file.close()


def _lines(file: Path) -> Iterator[dict[str, Any]]:
    with contextlib.suppress(FileNotFoundError):
        for line in file.read_text().splitlines():
            # A crash can cut the last line short.
            with contextlib.suppress(json.JSONDecodeError):
                yield json.loads(line)


def _read(file: Path) -> tuple[Owner | None, list[Entry]]:
    owned_by: Owner | None = None
    entries: dict[str, Entry] = {}
    for line in _lines(file):
        if "owner" in line:
            owned_by = Owner(**line["owner"])
        elif "forget" in line:
            entries.pop(line["forget"], None)
        else:
            entries[line["id"]] = Entry(line["id"], line["kind"], line["facts"])
    return owned_by, list(entries.values())
