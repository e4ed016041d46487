"""What is kept of the operator's benchmark: a small JSON that the page and picture are made of."""

import collections
import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from pydantic import TypeAdapter

from carthub_dev.audit import Event


@dataclass(frozen=True)
class Requests:
    """What an operator asked of the API server, by the audit log; watches are in it."""

    total: int
    writes: int
    # "patch deployments/status" and how often.
    kinds: Mapping[str, int]

    @classmethod
    def of(cls, asked: Iterable[Event]) -> Self:
        """Count requests."""
        events = list(asked)
        counted = collections.Counter(
            f"{one.verb} {one.resource or one.uri.partition('?')[0]}"
            + (f"/{one.subresource}" if one.subresource else "")
            for one in events
        )
        writes = sum(one.is_write for one in events)
        return cls(len(events), writes, dict(counted.most_common()))

    @property
    def secret_reads(self) -> int:
        """How many of them read a Secret, which goes on at a steady rate."""
        return self.kinds.get("get secrets", 0)

    @property
    def without_secret_reads(self) -> int:
        """How many there are besides."""
        return self.total - self.secret_reads


@dataclass(frozen=True)
class Converged:
    """From the first resource's creation until the last is what its spec says."""

    created_seconds: float
    seconds: float
    # Until nothing more was told of any of them.
    requests: Requests
    operator_cpu_seconds: float
    api_server_cpu_seconds: float


@dataclass(frozen=True)
class Idle:
    """While nobody changes anything."""

    seconds: float
    requests: Requests
    operator_cpu_percent: float
    api_server_cpu_percent: float
    mebibytes: float


@dataclass(frozen=True)
class Healed:
    """Edits of a child, from the edit to the write that set it back, by the audit log."""

    edits: int
    p50_seconds: float
    p99_seconds: float
    most_seconds: float
    # Of the edits: those that were there still when nobody waited any longer.
    unhealed: int = 0


@dataclass(frozen=True)
class Restarted:
    """From the start of the process until it has looked at everything once."""

    seconds: float
    requests: Requests


@dataclass(frozen=True)
class Figures:
    """Everything about one operator with so many resources."""

    subject: str
    resources: int
    converged: Converged
    idle: Idle
    healed_idle: Healed
    healed_under_load: Healed
    restarted: Restarted
    peak_mebibytes: float
    # How many processes of other work wanted to run in the minute before.
    load_before: float = 0.0

    @property
    def requests_each(self) -> float:
        """How many requests a new resource takes; looking at its Secret at times is none."""
        return self.converged.requests.without_secret_reads / self.resources


@dataclass(frozen=True)
class Conditions:
    """Under what all of it was measured."""

    cores: int
    kubernetes: str
    kwok: str
    python: str
    options: Mapping[str, Any]


@dataclass(frozen=True)
class Results:
    """Every figure of one benchmark, in the order of measurement."""

    conditions: Conditions
    figures: Sequence[Figures]

    def over(self, older: Self) -> Self:
        """Return these and what older ones have besides: other sizes, other operators."""
        here = {(one.subject, one.resources) for one in self.figures}
        kept = [one for one in older.figures if (one.subject, one.resources) not in here]
        return dataclasses.replace(self, figures=[*kept, *self.figures])

    def of(self, subject: str) -> list[Figures]:
        """Return the figures of one operator, by size."""
        found = [one for one in self.figures if one.subject == subject]
        return sorted(found, key=lambda one: one.resources)


_RESULTS = TypeAdapter(Results)


def write(results: Results, file: Path) -> None:
    """Write the results, easy to compare line by line."""
    file.write_bytes(_RESULTS.dump_json(results, indent=1) + b"\n")


def read(file: Path) -> Results:
    """Return results that were written."""
    return _RESULTS.validate_json(file.read_bytes())
