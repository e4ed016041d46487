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
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from benchmarks import workload
from benchmarks.databases import cpu_seconds
from benchmarks.issuer import Issuer
from carthub_dev import paths, ports
from carthub_dev.errors import NotReady
from carthub_dev.ledger import Ledger
from carthub_dev.processes import Process, wait_until

_READY_SECONDS = 30.0
_PATIENCE_SECONDS = 5.0
_MEBIBYTE = 1 << 20

# Where a virtual environment keeps the console scripts.
_PROGRAMS = Path(sys.executable).parent


@dataclass(frozen=True)
class Program:
    """How one kind of service is started, and what every request to it carries."""

    role: str
    command: Callable[[int], Sequence[str | Path]]
    environment: Mapping[str, str]
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Worker:
    """One process that answers HTTP."""

    program: Program
    process: Process
    port: int

    @property
    def base(self) -> str:
        """The URL before the path."""
        return f"http://{workload.ADDRESS}:{self.port}"

    def cpu_seconds(self) -> float:
        """Return the CPU time it has used."""
        return cpu_seconds(self.process.pid)

    def rss_mebibytes(self) -> float:
        """Return the memory it holds now."""
        return psutil.Process(self.process.pid).memory_info().rss / _MEBIBYTE

    def revive(self) -> bool:
        """Start it again unless it answers, and tell whether that was needed.

        The reference stops answering for good once more requests wait than it has threads.
        """
        if self.process.is_running:
            with contextlib.suppress(NotReady):
                wait_until(self.answers, _PATIENCE_SECONDS, what=self.program.role)
                return False
        self.process.kill()
        self.process.start().wait_until_ready(self.answers, _READY_SECONDS)
        return True

    def answers(self) -> bool:
        """Tell whether it answers a request; raises OSError when nobody listens."""
        url = f"{self.base}{workload.CARTS}/1"
        request = urllib.request.Request(url, headers=dict(self.program.headers))  # noqa: S310 - http
        with urllib.request.urlopen(request, timeout=_PATIENCE_SECONDS):  # noqa: S310 - http
            return True


def product(url: str, issuer: Issuer) -> Program:
    """Return the product as its image starts it, with authentication, metrics and trace ids."""
    return Program(
        role="product",
        command=lambda _port: [_PROGRAMS / "carthub-service"],
        environment={
            "DATABASE_URL": url,
            "ENVIRONMENT": "production",
            "HOST": workload.ADDRESS,
            "METRICS_PORT": "0",
            "DRAIN_SECONDS": "0",
            **issuer.environment,
        },
        headers=issuer.service_headers,
    )


def reference(url: str) -> Program:
    """Return the reference service under uvicorn, without the access log."""
    return Program(
        role="reference",
        command=lambda port: [
            *(sys.executable, "-m", "uvicorn", "benchmarks.reference.main:app"),
            *("--host", workload.ADDRESS, "--port", str(port)),
            *("--no-access-log", "--log-level", "warning"),
        ],
        environment={"DATABASE_URL": url},
    )


@contextlib.contextmanager
def workers(ledger: Ledger, program: Program, count: int, folder: Path) -> Iterator[list[Worker]]:
    """Lend running workers, one started after the other."""
    with contextlib.ExitStack() as running:
        found = []
        for number in range(count):
            worker = _started(ledger, program, folder / f"{program.role}-{number}.log")
            running.callback(worker.process.terminate)
            found.append(worker)
        yield found


def _started(ledger: Ledger, program: Program, log: Path) -> Worker:
    tried: list[Worker] = []

    def on(port: int) -> Process:
        process = Process(
            program.command(port),
            log=log,
            ledger=ledger,
            role=program.role,
            env={"PATH": os.environ["PATH"], "PORT": str(port), **program.environment},
            cwd=paths.REPOSITORY,
        )
        tried.append(Worker(program, process, port))
        return process

    def wait(process: Process) -> None:
        process.wait_until_ready(tried[-1].answers, _READY_SECONDS)

    ports.start_on_free_port(workload.ADDRESS, on, wait)
    return tried[-1]
