"""A command on a pseudo-terminal, for what people run with `-it`, stop with Ctrl-C, or close."""

import contextlib
import os
import pty
import select
import subprocess
import time
from types import TracebackType
from typing import Self

CTRL_C = "\x03"
_END_SECONDS = 10


class Terminal:
    """A shell command that leads a terminal's session; a context manager that ends it."""

    def __init__(self, command: str, *, env: dict[str, str]) -> None:
        self._primary, secondary = pty.openpty()
        # The terminal is the command's own: its keys become signals, its end a hangup. Who was
        # started in the background, as CI may be, ignores them, and so would the command.
        self._process = subprocess.Popen(
            ["env", "--default-signal", "setsid", "--ctty", "sh", "-c", command],
            stdin=secondary,
            stdout=secondary,
            stderr=secondary,
            env=env,
        )
        os.close(secondary)
        self._is_open = True
        self._output = b""

    @property
    def output(self) -> str:
        """Everything that was shown so far."""
        return self._output.decode(errors="replace")

    @property
    def pid(self) -> int:
        """The process that leads the session."""
        return self._process.pid

    def read(self, *, until: str | None = None, timeout_seconds: float) -> bool:
        """Read until a text is shown, and tell whether it was; without one until the end."""
        deadline = time.monotonic() + timeout_seconds
        while until is None or until not in self.output:
            left = max(0.0, deadline - time.monotonic())
            readable, _, _ = select.select([self._primary], [], [], left)
            chunk = b""
            if readable:
                # Linux answers EIO once the other side of a terminal is closed.
                with contextlib.suppress(OSError):
                    chunk = os.read(self._primary, 65536)
            if not chunk:
                return False
            self._output += chunk
        return True

    def press(self, keys: str) -> None:
        """Press keys."""
        os.write(self._primary, keys.encode())

    def close(self) -> None:
        """Close the window: who still runs on the terminal is told by a hangup."""
        if self._is_open:
            os.close(self._primary)
            self._is_open = False

    def wait(self, timeout_seconds: float) -> int:
        """Return the exit code once the command has ended."""
        return self._process.wait(timeout_seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process.poll() is None:
            self._process.terminate()
            self._process.wait(_END_SECONDS)
        self.close()


def run_in_terminal(
    command: str, *, env: dict[str, str], until: str | None = None, timeout_seconds: float = 60
) -> tuple[int | None, str]:
    """Return the exit code and output of a shell command run on a terminal.

    With `until` the command is ended once its output contains that text, and the code is None:
    a `kubectl logs -f` never ends by itself.
    """
    with Terminal(command, env=env) as terminal:
        if terminal.read(until=until, timeout_seconds=timeout_seconds):
            return None, terminal.output
        return terminal.wait(_END_SECONDS), terminal.output
