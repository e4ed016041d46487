"""One long-running program: started with a log file, recorded, waited for, ended for certain."""

import os
import secrets
import signal as signals
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from carthub_dev import removal
from carthub_dev.errors import NotReady, ProcessEnded
from carthub_dev.ledger import Entry, Ledger

_LOG_TAIL_BYTES = 3000


class Process:
    """A program that runs until it is ended; usable as a context manager."""

    def __init__(  # noqa: PLR0913 - one parameter per thing that differs between programs
        self,
        argv: Sequence[str | Path],
        *,
        log: Path,
        ledger: Ledger,
        role: str = "",
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        uid: int | None = None,
        gid: int | None = None,
        stop_signal: int = signals.SIGTERM,
        grace_seconds: float = 10.0,
    ) -> None:
        self.argv = [str(part) for part in argv]
        self.log = log
        self.role = role or Path(self.argv[0]).name
        self.stop_signal = stop_signal
        self.grace_seconds = grace_seconds
        self._ledger = ledger
        self._env = env
        self._cwd = cwd
        self._uid = uid
        self._gid = gid
        self._popen: subprocess.Popen[bytes] | None = None
        self._entry: Entry | None = None
        self._token = ""

    @property
    def pid(self) -> int:
        """The pid of the started program."""
        if self._popen is None:
            raise ProcessEnded(f"{self.role} is not started")
        return self._popen.pid

    @property
    def is_running(self) -> bool:
        """Whether it is started and has not ended."""
        return self._popen is not None and self._popen.poll() is None

    @property
    def return_code(self) -> int | None:
        """Its exit code, negative for a signal, None while it runs or is not started."""
        return None if self._popen is None else self._popen.poll()

    def start(self) -> Self:
        """Start it as the leader of its own session, its output appended to the log.

        Recorded before it starts (by a token in its environment) and again with its pid.
        """
        if self.is_running:
            return self
        self._token = secrets.token_hex(16)
        how = {"stop_signal": int(self.stop_signal), "grace_seconds": self.grace_seconds}
        expected = self._ledger.expected_process(role=self.role, token=self._token, **how)
        environment = dict(os.environ if self._env is None else self._env)
        environment[removal.TOKEN_VARIABLE] = self._token
        with self.log.open("ab") as output:
            try:
                self._popen = subprocess.Popen(
                    self.argv,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    env=environment,
                    cwd=self._cwd,
                    user=self._uid,
                    group=self._gid,
                    extra_groups=None if self._gid is None else [],
                    start_new_session=True,
                )
            except OSError:
                self._ledger.forget(expected)
                raise
        self._entry = self._ledger.process(
            self._popen.pid, role=self.role, token=self._token, **how
        )
        self._ledger.forget(expected)
        return self

    def wait_until_ready(self, is_ready: Callable[[], bool], timeout_seconds: float = 30.0) -> None:
        """Return once the check says True; its OSErrors count as not yet.

        Raises ProcessEnded or NotReady, both with the end of the log.
        """
        try:
            wait_until(lambda: self._alive() and is_ready(), timeout_seconds, what=self.role)
        except NotReady as error:
            raise NotReady(f"{error}; {self.log} ends:\n{self.log_tail()}") from error

    def log_tail(self) -> str:
        """Return the end of the log."""
        try:
            with self.log.open("rb") as file:
                file.seek(max(0, self.log.stat().st_size - _LOG_TAIL_BYTES))
                return file.read().decode(errors="replace")
        except FileNotFoundError:
            return ""

    def signal(self, number: int) -> None:
        """Send a signal to the program alone; SIGSTOP and SIGCONT make it hang and go on."""
        if self.is_running:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """End it: the stop signal, after the grace period SIGKILL to its process group."""
        self._end(self.stop_signal)

    def kill(self) -> None:
        """End it and its process group at once, as a crash would."""
        self._end(signals.SIGKILL)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.terminate()

    def _alive(self) -> bool:
        if not self.is_running:
            raise ProcessEnded(
                f"{self.role} ended with code {self.return_code}; {self.log} ends:\n"
                f"{self.log_tail()}"
            )
        return True

    def _end(self, number: int) -> None:
        if self._popen is None or self._entry is None:
            return
        facts = {**self._entry.facts, "stop_signal": number}
        removal.process(**facts)
        self._popen.wait(self.grace_seconds)
        self._ledger.forget(self._entry)
        self._entry = None


def wait_until(
    is_true: Callable[[], bool],
    timeout_seconds: float,
    *,
    what: str,
    interval_seconds: float = 0.05,
) -> None:
    """Return once the check says True; its OSErrors count as not yet. Raises NotReady."""
    deadline = time.monotonic() + timeout_seconds
    last: OSError | None = None
    while True:
        try:
            if is_true():
                return
            last = None
        except OSError as error:
            last = error
        if time.monotonic() > deadline:
            why = f" ({last})" if last else ""
            raise NotReady(f"{what} is not ready after {timeout_seconds:g} s{why}") from last
        time.sleep(interval_seconds)
