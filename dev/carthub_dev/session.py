"""One instance of the platform from start to end, and what other processes may know of it.

The process that started it owns it: it waits in front (`run`) or in the background (`up`), and
removes everything when it is told to end.
"""

import contextlib
import json
import os
import select
import shlex
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil

from carthub_dev import ledger as ledgers
from carthub_dev import paths, pki, removal
from carthub_dev.demonstration import Shown, demonstrate
from carthub_dev.errors import CleanupFailed, PlatformError
from carthub_dev.forwarder import Forwarder
from carthub_dev.ledger import Ledger
from carthub_dev.platform import Platform
from carthub_dev.steps import Steps

DEFAULT = "local"

_STATE_NAME = "platform.json"
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_DOWN_SECONDS = 90.0


@dataclass(frozen=True)
class State:
    """What runs and where. Readable by its owner only: it holds the database's password."""

    instance: str
    nodes: int
    seconds: float
    kubeconfig: str
    docs: str
    service: str
    aws: str
    database: str


@dataclass(frozen=True)
class Presented:
    """A platform that is up, and what its demonstration has shown."""

    state: State
    shown: Shown


@contextlib.contextmanager
def session(
    instance: str, *, nodes: int, steps: Steps, preferred_port: int = 0
) -> Iterator[Presented]:
    """Start a platform with its demonstration, and remove everything at the end.

    SIGINT, SIGTERM and SIGHUP end the body with KeyboardInterrupt; the removal is not interrupted.
    """
    began = time.monotonic()
    with _ended_by_signals(), contextlib.ExitStack() as stack:
        ledger = Ledger.open(instance)
        stack.callback(ledger.close)
        platform = Platform(ledger, nodes=nodes, steps=steps)
        stack.callback(platform.close)
        stack.callback(_begin_removal, steps)
        try:
            shown = demonstrate(platform.start(), steps)
            web = (shown.service_address, 80)
            forwarder = stack.enter_context(Forwarder(web, preferred_port=preferred_port))
            state = State(
                instance=instance,
                nodes=nodes,
                seconds=round(time.monotonic() - began, 1),
                kubeconfig=str(platform.kubectl.kubeconfig),
                docs=f"http://127.0.0.1:{forwarder.port}",
                service=f"http://{shown.service_address}",
                aws=platform.aws.endpoint_url,
                database=platform.database.admin_url,
            )
            _write(state)
        except PlatformError as error:
            error.add_note(f"The logs are kept in {_keep_logs(ledger)}")
            raise
        yield Presented(state, shown)


def wait_for_the_end(announce: Callable[[], None]) -> None:
    """Say that it waits, and return when a signal ends that or the terminal is closed.

    A `make` that leads the terminal's session takes the hangup and tells nobody.
    """
    terminals = [stream for stream in range(3) if os.isatty(stream)]
    end = select.poll()
    for terminal in terminals:
        # Hangups are always told; what is typed is not asked for.
        end.register(terminal, 0)
    with contextlib.suppress(KeyboardInterrupt), _told_of_signals() as told:
        end.register(told, select.POLLIN)
        announce()
        end.poll()


def command(target: str, instance: str) -> str:
    """Return what a person types to do something to an instance."""
    named = "" if instance == DEFAULT else f"INSTANCE={shlex.quote(instance)} "
    return f"{named}make {target}"


def read_state(instance: str) -> State | None:
    """Return what an instance that is up tells about itself, None while it is not."""
    if ledgers.owner(instance) is None:
        return None
    try:
        return State(**json.loads(_state_file(instance).read_bytes()))
    except FileNotFoundError:
        return None


def parts(instance: str) -> list[dict[str, Any]]:
    """Return the processes of an instance: role, pid, whether it runs, memory in bytes."""
    found = []
    # Read only: the lock stays with the owner.
    with Path(os.devnull).open() as no_lock:
        entries = Ledger(instance, paths.instance_dir(instance), no_lock).entries()
    for entry in entries:
        pid = entry.facts.get("pid")
        if entry.kind == "process" and pid is not None:
            runs = removal.is_same_process(pid, entry.facts["started"])
            memory = 0
            with contextlib.suppress(psutil.Error):
                memory = psutil.Process(pid).memory_info().rss if runs else 0
            role = entry.facts["role"]
            found.append({"role": role, "pid": pid, "runs": runs, "memory_bytes": memory})
    return found


def end(instance: str) -> bool:
    """End an instance, whoever owns it, and remove everything of it; False when there is none."""
    existed = instance in ledgers.instances()
    owner = ledgers.owner(instance)
    if owner is not None and owner.pid != os.getpid():
        with contextlib.suppress(ProcessLookupError):
            os.kill(owner.pid, signal.SIGTERM)
        deadline = time.monotonic() + _DOWN_SECONDS
        while removal.is_same_process(owner.pid, owner.started):
            if time.monotonic() > deadline:
                raise CleanupFailed(
                    f"process {owner.pid}, which owns instance {instance}, does not end; "
                    f"end it with `kill -9 {owner.pid}` and try again"
                )
            time.sleep(0.05)
    # What a killed owner has left; the folder of one that ended well is gone.
    if existed:
        Ledger.open(instance).close()
    return existed


def _write(state: State) -> None:
    file = _state_file(state.instance)
    unfinished = pki.write_secret(file.with_suffix(".new"), json.dumps(asdict(state)))
    unfinished.replace(file)


def _state_file(instance: str) -> Path:
    return paths.instance_dir(instance) / _STATE_NAME


def _keep_logs(ledger: Ledger) -> Path:
    """Copy the logs of all parts to where the removal does not reach, and return that folder."""
    kept = paths.cache_dir() / "logs" / ledger.instance
    shutil.rmtree(kept, ignore_errors=True)
    for entry in ledger.entries():
        if entry.kind == "directory":
            folder = Path(entry.facts["path"])
            for log in folder.glob("*.log"):
                target = kept / folder.name
                target.mkdir(parents=True, exist_ok=True)
                shutil.copy(log, target)
    return kept


@contextlib.contextmanager
def _told_of_signals() -> Iterator[int]:
    """Lend what can be read after a signal, also after one that came just before the reading.

    Python marks a signal and acts on it later: a wait that begins in between would not end.
    """
    told, tell = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    before = signal.set_wakeup_fd(tell, warn_on_full_buffer=False)
    try:
        yield told
    finally:
        signal.set_wakeup_fd(before)
        os.close(told)
        os.close(tell)


@contextlib.contextmanager
def _ended_by_signals() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in _ENDING}
    if before[signal.SIGHUP] is signal.SIG_IGN:
        # As `nohup` asks.
        del before[signal.SIGHUP]
    for number in before:
        signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _begin_removal(steps: Steps) -> None:
    for number in _ENDING:
        signal.signal(number, signal.SIG_IGN)
    # A terminal that is gone, or a pipe, is no reason to leave anything behind.
    with contextlib.suppress(OSError):
        steps.say("Removing everything ...")
