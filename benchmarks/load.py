"""Requests over HTTP by vegeta at a fixed rate, and what is said of answers in general.

The latency counts from the moment the request was due, not from when it was
sent: a server that stalls cannot hide the requests that it kept from being sent.
"""

import csv
import math
import subprocess
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.errors import BenchmarkFailed
from benchmarks.workload import EXPECTED, Kind, kind_of
from carthub_dev import toolchain

# A rate: each connection sends its next request when it has its answer.
AS_FAST_AS_IT_GOES = 0

_SECOND_NS = 1_000_000_000
_REQUEST_TIMEOUT_SECONDS = 30
# Enough to keep a fixed rate while answers are late; a server that needs more is not at half
# of its saturation.
_MOST_CONNECTIONS = 500
# What the client may take to start, and to hear the last answers.
_SLACK_SECONDS = _REQUEST_TIMEOUT_SECONDS + 30


@dataclass(frozen=True)
class Answer:
    """One request and what became of it; status 0: no answer came."""

    number: int
    kind: Kind
    status: int
    sent_ns: int
    latency_ns: int


@dataclass(frozen=True)
class Answers:
    """All requests of an attack, in the order they were sent."""

    all: Sequence[Answer]
    rate: int | None

    def counts(self) -> Counter[tuple[Kind, int]]:
        """Return how often each kind got each status."""
        return Counter((answer.kind, answer.status) for answer in self.all)

    def unexpected(self) -> int:
        """Return how many got an answer that the workload has no reason for."""
        return sum(answer.status not in EXPECTED[answer.kind] for answer in self.all)

    def throughput(self, warm_up_seconds: float, seconds: float) -> float:
        """Return expected answers per second of the measured time."""
        first = min(answer.sent_ns for answer in self.all)
        begin = first + int(warm_up_seconds * _SECOND_NS)
        end = begin + int(seconds * _SECOND_NS)
        done = (
            begin <= answer.sent_ns + answer.latency_ns < end
            for answer in self.all
            if answer.status in EXPECTED[answer.kind]
        )
        return sum(done) / seconds

    def latencies_ms(self, warm_up_seconds: float, seconds: float) -> list[float]:
        """Return the latencies of the measured time, sorted; from when they were due."""
        first = min(answer.sent_ns for answer in self.all)
        begin = first + int(warm_up_seconds * _SECOND_NS)
        end = begin + int(seconds * _SECOND_NS)
        late = self._lateness_ns()
        return sorted(
            (answer.latency_ns + late[answer.number]) / 1_000_000
            for answer in self.all
            if begin <= answer.sent_ns < end
        )

    def _lateness_ns(self) -> dict[int, int]:
        if self.rate is None:
            return dict.fromkeys((answer.number for answer in self.all), 0)
        interval = _SECOND_NS / self.rate
        after_due = {
            answer.number: answer.sent_ns - int(answer.number * interval) for answer in self.all
        }
        # The most punctual request says when the schedule began.
        origin = min(after_due.values())
        return {number: value - origin for number, value in after_due.items()}


def percentile(ordered: Sequence[float], percent: float) -> float:
    """Return the value that `percent` of the sorted values do not exceed."""
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def attack(
    targets: Iterable[str],
    folder: Path,
    *,
    connections: int,
    seconds: float,
    rate: int,
) -> Answers:
    """Send the targets, again from the first when they run out, and return every answer."""
    asked, answered = folder / "targets.json", folder / "answers.bin"
    asked.write_text("\n".join(targets))
    vegeta = toolchain.tool_set("vegeta").binary("vegeta")
    _run(
        [
            vegeta,
            "attack",
            "-format=json",
            f"-targets={asked}",
            f"-output={answered}",
            f"-duration={seconds}s",
            f"-timeout={_REQUEST_TIMEOUT_SECONDS}s",
            f"-rate={rate}/s",
            f"-workers={connections}",
            f"-max-workers={_MOST_CONNECTIONS if rate else connections}",
            "-max-body=0",
        ],
        seconds + _SLACK_SECONDS,
    )
    table = folder / "answers.csv"
    _run([vegeta, "encode", "-to=csv", f"-output={table}", answered], _SLACK_SECONDS)
    return Answers(_read(table), rate or None)


def _run(command: Sequence[str | Path], timeout_seconds: float) -> None:
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=timeout_seconds,
        check=False,
    )
    if done.returncode:
        raise BenchmarkFailed(
            f"{Path(command[0]).name} ended with {done.returncode}: {done.stderr}"
        )


def _read(table: Path) -> list[Answer]:
    # timestamp, status, latency, bytes out, bytes in, error, body, attack, number, method, URL
    with table.open(newline="") as lines:
        return sorted((_answer(row) for row in csv.reader(lines)), key=lambda one: one.number)


def _answer(row: Sequence[str]) -> Answer:
    return Answer(
        number=int(row[8]),
        kind=kind_of(row[9], urlsplit(row[10]).path),
        status=int(row[1]),
        sent_ns=int(row[0]),
        latency_ns=int(row[2]),
    )


def acknowledged(counts: Mapping[tuple[Kind, int], int], kind: Kind) -> int:
    """Return how many writes of a kind were told to have happened."""
    return sum(n for (found, status), n in counts.items() if found is kind and status in {200, 201})


def unclear(counts: Mapping[tuple[Kind, int], int], kind: Kind) -> int:
    """Return how many writes of a kind may or may not have happened: no answer, or a failure."""
    return sum(
        n
        for (found, status), n in counts.items()
        if found is kind and (status == 0 or status >= 500)  # noqa: PLR2004 - HTTP's own line
    )
