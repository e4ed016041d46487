"""Requests over HTTP by wrk, as fast as so many connections allow.

Where client and server share a machine, what the client takes is missing in the figures: wrk takes
a part of what clients in Go take for a request. See docs/decisions/0006-measure-with-ratios.md.
"""

import base64
import json
import math
import os
import subprocess
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.errors import BenchmarkFailed
from benchmarks.load import Answer
from benchmarks.workload import Kind, kind_of
from carthub_dev import packages, programs
from carthub_dev.ledger import Ledger

_SCRIPT = Path(__file__).with_suffix(".lua")
# Only reads are sent then, so that no write is under way when wrk stops.
_LAST_SECONDS = 1
_REQUEST_TIMEOUT_SECONDS = 30
_SLACK_SECONDS = 30


@dataclass(frozen=True)
class _Request:
    raw: bytes
    kind: Kind
    port: int


def ensure_client(ledger: Ledger, say: Callable[[str], None]) -> None:
    """See to it that wrk is there; raises ToolMissing where it cannot be installed."""
    packages.ensure(
        packages.BENCHMARKS,
        "to send requests as fast as a service answers them",
        ledger=ledger,
        say=say,
        otherwise="go without this benchmark",
    )


def client() -> str:
    """Return the client's name and version."""
    done = subprocess.run(
        [programs.program("wrk"), "--version"], capture_output=True, text=True, check=False
    )
    return done.stdout.partition(" [")[0]


def attack(
    targets: Iterable[str], folder: Path, *, connections: int, seconds: float
) -> Sequence[Answer]:
    """Send the targets, each connection its share in turn, and return every answer.

    A connection sends its next request when it has its answer; from the first again when they run
    out. Status 0: a write whose answer did not come.
    """
    requests = [_request(target) for target in targets]
    ports = list(dict.fromkeys(request.port for request in requests))
    shares = [requests[number::connections] for number in range(connections)]
    for number, share in enumerate(shares):
        (folder / f"requests-{number}").write_bytes(b"".join(one.raw for one in share))
        (folder / f"index-{number}").write_text("".join(f"{len(one.raw)}\n" for one in share))
    _run(folder, ports, connections=connections, seconds=seconds)
    lines = (folder / "answers").read_text().splitlines()
    found = sorted((tuple(map(int, line.split())) for line in lines), key=lambda row: row[3])
    return [
        Answer(number, shares[thread][position].kind, status, sent_ns, latency_ns)
        for number, (thread, position, status, sent_ns, latency_ns) in enumerate(found)
    ]


def _request(target: str) -> _Request:
    wanted = json.loads(target)
    url = urlsplit(wanted["url"])
    body = base64.b64decode(wanted.get("body", ""))
    headers = {"Host": [url.netloc], **wanted["header"]}
    if body:
        headers["Content-Length"] = [str(len(body))]
    lines = [f"{name}: {value}" for name, values in headers.items() for value in values]
    head = "\r\n".join([f"{wanted['method']} {url.path} HTTP/1.1", *lines, "", ""])
    assert url.port is not None  # noqa: S101 - of every worker
    return _Request(head.encode() + body, kind_of(wanted["method"], url.path), url.port)


def _run(folder: Path, ports: Sequence[int], *, connections: int, seconds: float) -> None:
    done = subprocess.run(
        [
            *(programs.program("wrk"), f"--threads={connections}", f"--connections={connections}"),
            *(
                f"--duration={math.ceil(seconds) + _LAST_SECONDS}s",
                f"--timeout={_REQUEST_TIMEOUT_SECONDS}s",
            ),
            *(f"--script={_SCRIPT}", f"http://127.0.0.1:{ports[0]}"),
        ],
        env={
            "PATH": os.environ["PATH"],
            "FOLDER": str(folder),
            "PORTS": " ".join(map(str, ports)),
            "SECONDS": str(seconds),
        },
        capture_output=True,
        text=True,
        timeout=seconds + _REQUEST_TIMEOUT_SECONDS + _SLACK_SECONDS,
        check=False,
    )
    if done.returncode or not (folder / "answers").exists():
        raise BenchmarkFailed(f"wrk ended with {done.returncode}: {done.stdout}{done.stderr}")
