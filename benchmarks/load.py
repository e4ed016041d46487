"""What clients were answered, and what that says of who answered."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.workload import EXPECTED, Kind

SECOND_NS = 1_000_000_000


@dataclass(frozen=True)
class Answer:
    """One request and what became of it; status 0: no answer came."""

    kind: Kind
    status: int
    sent_ns: int
    latency_ns: int


@dataclass(frozen=True)
class Answers:
    """All requests of an attack, in the order they were sent."""

    all: Sequence[Answer]

    def counts(self) -> Counter[tuple[Kind, int]]:
        """Return how often each kind got each status."""
        return Counter((answer.kind, answer.status) for answer in self.all)

    def unexpected(self) -> int:
        """Return how many got an answer that the workload has no reason for."""
        return sum(answer.status not in EXPECTED[answer.kind] for answer in self.all)

    def throughput(self, warm_up_seconds: float, seconds: float) -> float:
        """Return expected answers per second of the measured time."""
        first = min(answer.sent_ns for answer in self.all)
        begin = first + int(warm_up_seconds * SECOND_NS)
        end = begin + int(seconds * SECOND_NS)
        done = (
            begin <= answer.sent_ns + answer.latency_ns < end
            for answer in self.all
            if answer.status in EXPECTED[answer.kind]
        )
        return sum(done) / seconds

    def latencies_ms(self, warm_up_seconds: float, seconds: float) -> list[float]:
        """Return the latencies of the measured time, sorted."""
        first = min(answer.sent_ns for answer in self.all)
        begin = first + int(warm_up_seconds * SECOND_NS)
        end = begin + int(seconds * SECOND_NS)
        return sorted(
            answer.latency_ns / 1_000_000 for answer in self.all if begin <= answer.sent_ns < end
        )


def percentile(ordered: Sequence[float], percent: float) -> float:
    """Return the value that `percent` of the sorted values do not exceed."""
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


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
