"""The services under load, each started as its image or its tutorial starts it.

Two workers are two processes on two ports, and requests go to each in turn: as two pods behind
a Service. The product has one worker a pod, so `--workers 2` or SO_REUSEPORT would measure
something that nobody runs, and the kernel would share few connections out unevenly.
"""

import contextlib
import os
import sys
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks import workload
from benchmarks.databases import cpu_seconds
from carthub_dev import paths, ports
from carthub_dev.ledger import Ledger
from carthub_dev.processes import Process

_ADDRESS = "127.0.0.1"
_READY_SECONDS = 30.0
_MEBIBYTE = 1 << 20

# Where a virtual environment keeps the console scripts.
_PROGRAMS = Path(sys.executable).parent


@dataclass(frozen=True)
class Worker:
    """One process that answers HTTP."""

    process: Process
    port: int
    # What every request to it carries.
    headers: Mapping[str, str]

    @property
    def base(self) -> str:
        """The URL before the path."""
        return f"http://{_ADDRESS}:{self.port}"

    def cpu_seconds(self) -> float:
        """Return the CPU time it has used."""
        return cpu_seconds(self.process.pid)

    def rss_mebibytes(self) -> float:
        """Return the memory it holds now."""
        return psutil.Process(self.process.pid).memory_info().rss / _MEBIBYTE


@dataclass(frozen=True)
class Started:
    """How one kind of service is started and spoken to."""

    role: str
    command: Callable[[int], Sequence[str | Path]]
    environment: Mapping[str, str]
    headers: Mapping[str, str]


def product(url: str) -> Started:
    """Return the product as its image starts it, with metrics and trace ids."""
    return Started(
        role="product",
        command=lambda _port: [_PROGRAMS / "carthub-service"],
        environment={
            "DATABASE_URL": url,
            "ENVIRONMENT": "production",
            "HOST": _ADDRESS,
            "METRICS_PORT": "0",
            "DRAIN_SECONDS": "0",
        },
        headers={},
    )


def reference(url: str) -> Started:
    """Return the reference service under uvicorn, without the access log."""
    return Started(
        role="reference",
        command=lambda port: [
            *(sys.executable, "-m", "uvicorn", "benchmarks.reference.main:app"),
            *("--host", _ADDRESS, "--port", str(port)),
            *("--no-access-log", "--log-level", "warning"),
        ],
        environment={"DATABASE_URL": url},
        headers={},
    )


@contextlib.contextmanager
def workers(ledger: Ledger, started: Started, count: int, folder: Path) -> Iterator[list[Worker]]:
    """Lend running workers, one started after the other."""
    with contextlib.ExitStack() as running:
        found = []
        for number in range(count):
            worker = _worker(ledger, started, folder / f"{started.role}-{number}.log")
            running.callback(worker.process.terminate)
            found.append(worker)
        yield found


def _worker(ledger: Ledger, started: Started, log: Path) -> Worker:
    port = 0

    def on(chosen: int) -> Process:
        nonlocal port
        port = chosen
        environment = {"PATH": os.environ["PATH"], "PORT": str(port), **started.environment}
        return Process(
            started.command(port),
            log=log,
            ledger=ledger,
            role=started.role,
            env=environment,
            cwd=paths.REPOSITORY,
        )

    def wait(process: Process) -> None:
        process.wait_until_ready(lambda: _answers(port, started.headers), _READY_SECONDS)

    process, port = ports.start_on_free_port(_ADDRESS, on, wait)
    return Worker(process, port, started.headers)


def _answers(port: int, headers: Mapping[str, str]) -> bool:
    url = f"http://{_ADDRESS}:{port}{workload.CARTS}/1"
    request = urllib.request.Request(url, headers=dict(headers))
    with urllib.request.urlopen(request, timeout=5):  # noqa: S310 - http, see above
        return True
