"""Requests over HTTP by wrk, as fast as so many connections allow or at a fixed rate.

Where client and server share a machine, what the client takes is missing in the figures: wrk takes
a part of what clients in Go take for a request. See docs/decisions/0006-measure-with-ratios.md.
"""

import math
import os
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from benchmarks.errors import BenchmarkFailed
from benchmarks.load import SECOND_NS, Answer
from benchmarks.workload import ADDRESS, Request
from carthub_dev import packages, programs
from carthub_dev.ledger import Ledger

SCRIPT = Path(__file__).with_suffix(".lua")
# Only reads are sent then, so that no write is under way when wrk stops.
_LAST_SECONDS = 1
_REQUEST_TIMEOUT_SECONDS = 30
_SLACK_SECONDS = 30
# Until every thread of wrk has read its requests and connected.
_SETUP_SECONDS = 2


def ensure(ledger: Ledger, say: Callable[[str], None]) -> None:
    """See to it that wrk is there; raises ToolMissing where it cannot be installed."""
    packages.ensure(
        packages.BENCHMARKS,
        "to send requests",
        ledger=ledger,
        say=say,
        otherwise="go without this benchmark",
    )


def version() -> str:
    """Return the client's name and version."""
    done = subprocess.run(
        [programs.program("wrk"), "--version"], capture_output=True, text=True, check=False
    )
    return done.stdout.partition(" [")[0]


def attack(
    requests: Iterable[Request],
    folder: Path,
    *,
    connections: int,
    seconds: float,
    rate: int | None = None,
) -> Sequence[Answer]:
    """Send the requests, each connection its share in turn, and return every answer.

    A connection sends its next request when it has its answer; with a rate, of all connections
    together, when it is due and not before. An answer that comes when the next request is due
    already makes that one late: its latency counts from when it was due. They start again from
    the first when they run out. Status 0: a write whose answer did not come.
    """
    every = list(requests)
    ports = list(dict.fromkeys(request.port for request in every))
    shares = [every[number::connections] for number in range(connections)]
    for number, share in enumerate(shares):
        (folder / f"requests-{number}").write_bytes(b"".join(one.raw for one in share))
        (folder / f"index-{number}").write_text("".join(f"{len(one.raw)}\n" for one in share))
    _run(folder, ports, connections=connections, seconds=seconds, rate=rate)
    lines = (folder / "answers").read_text().splitlines()
    found = sorted((tuple(map(int, line.split())) for line in lines), key=lambda row: row[3])
    return [
        Answer(shares[thread][position].kind, status, sent_ns, latency_ns)
        for thread, position, status, sent_ns, latency_ns in found
    ]


def _run(
    folder: Path, ports: Sequence[int], *, connections: int, seconds: float, rate: int | None
) -> None:
    pace, setup_seconds = {}, 0
    if rate:
        setup_seconds = _SETUP_SECONDS
        pace = {
            "BEGIN_NS": str(time.monotonic_ns() + setup_seconds * SECOND_NS),
            "INTERVAL_NS": str(connections * SECOND_NS // rate),
            "CONNECTIONS": str(connections),
        }
    done = subprocess.run(
        [
            *(programs.program("wrk"), f"--threads={connections}", f"--connections={connections}"),
            *(
                f"--duration={math.ceil(seconds) + setup_seconds + _LAST_SECONDS}s",
                f"--timeout={_REQUEST_TIMEOUT_SECONDS}s",
            ),
            *(f"--script={SCRIPT}", f"http://{ADDRESS}:{ports[0]}"),
        ],
        env={
            "PATH": os.environ["PATH"],
            "FOLDER": str(folder),
            "PORTS": " ".join(map(str, ports)),
            "SECONDS": str(seconds),
            **pace,
        },
        capture_output=True,
        text=True,
        timeout=seconds + setup_seconds + _REQUEST_TIMEOUT_SECONDS + _SLACK_SECONDS,
        check=False,
    )
    if done.returncode or not (folder / "answers").exists():
        raise BenchmarkFailed(f"wrk ended with {done.returncode}: {done.stdout}{done.stderr}")
