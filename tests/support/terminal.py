"""A command in a pseudo-terminal, for what people run with `-it` or stop with Ctrl-C."""

import contextlib
import os
import pty
import select
import subprocess
import time


def run_in_terminal(
    command: str, *, env: dict[str, str], until: str | None = None, timeout_seconds: float = 60
) -> tuple[int | None, str]:
    """Return the exit code and output of a shell command run on a terminal.

    With `until` the command is ended once its output contains that text, and the code is None:
    a `kubectl logs -f` never ends by itself.
    """
    primary, secondary = pty.openpty()
    process = subprocess.Popen(  # noqa: S602 - the documented line itself is what is tested
        command, shell=True, stdin=secondary, stdout=secondary, stderr=secondary, env=env
    )
    os.close(secondary)
    output = b""
    deadline = time.monotonic() + timeout_seconds
    try:
        while (left := deadline - time.monotonic()) > 0:
            readable, _, _ = select.select([primary], [], [], left)
            chunk = b""
            if readable:
                # Linux answers EIO once the other side of a terminal is closed.
                with contextlib.suppress(OSError):
                    chunk = os.read(primary, 65536)
            if not chunk:
                break
            output += chunk
            if until is not None and until.encode() in output:
                return None, output.decode(errors="replace")
        return process.wait(timeout=max(1, left)), output.decode(errors="replace")
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(timeout=10)
        os.close(primary)
