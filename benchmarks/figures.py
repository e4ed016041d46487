"""From runs to figures: medians, ratios within a round, and their spread."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.measure import Run
from benchmarks.rig import Variant

Round = Mapping[str, Run]


@dataclass(frozen=True)
class Spread:
    """A median, and the lowest and highest value beside it."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> "Spread":
        """Return the spread of values, to three significant digits."""
        found = sorted(values)
        return cls(*map(_rounded, (statistics.median(found), found[0], found[-1])))

    def __str__(self) -> str:
        return f"{self.median:g} ({self.low:g} to {self.high:g})"


@dataclass(frozen=True)
class Figures:
    """What the runs of one variant showed."""

    variant: str
    runs: int
    per_second: Spread
    unexpected: int
    restarts: int
    acknowledged_adds: int
    lost_adds: int
    p50_ms: Spread | None
    p99_ms: Spread | None
    p99_of_p50: Spread | None
    worker_cpu_us: Spread | None
    worker_mib: float | None
    database_cpu_us: Spread


@dataclass(frozen=True)
class Sized:
    """What the product does with so many carts, and what those take."""

    carts: int
    lines: int
    fill_seconds: float
    mebibytes: float
    of_pgbench: Spread
    product: Figures
    pgbench: Figures


def figures(runs: Sequence[Run]) -> Figures:
    """Return the figures of one variant's runs."""
    pairs = [(run.p50_ms, run.p99_ms) for run in runs]
    known = [(p50, p99) for p50, p99 in pairs if p50 is not None and p99 is not None]
    return Figures(
        variant=runs[0].variant,
        runs=len(runs),
        per_second=Spread.of(run.per_second for run in runs),
        unexpected=sum(run.unexpected for run in runs),
        restarts=sum(run.restarts for run in runs),
        acknowledged_adds=sum(run.checks[0].acknowledged for run in runs),
        lost_adds=sum(run.checks[0].lost for run in runs),
        p50_ms=Spread.of(p50 for p50, _ in known) if known else None,
        p99_ms=Spread.of(p99 for _, p99 in known) if known else None,
        p99_of_p50=Spread.of(p99 / p50 for p50, p99 in known) if known else None,
        worker_cpu_us=_maybe(run.worker_cpu_us for run in runs),
        worker_mib=max((_rounded(run.worker_mib) for run in runs if run.worker_mib), default=None),
        database_cpu_us=Spread.of(run.database_cpu_us for run in runs),
    )


def ratio(rounds: Sequence[Round], measured: Variant, base: Variant) -> Spread:
    """Return throughput against a base of the same round: what the machine did, both felt."""
    return Spread.of(
        found[measured.label].per_second / found[base.label].per_second for found in rounds
    )


def _maybe(values: Iterable[float | None]) -> Spread | None:
    known = [value for value in values if value is not None]
    return Spread.of(known) if known else None


def _rounded(value: float) -> float:
    return float(f"{value:.3g}")
