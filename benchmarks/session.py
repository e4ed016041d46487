"""The whole benchmark: every variant in every round, in one go, on the same PostgreSQL."""

import dataclasses
import itertools
import os
import platform
from collections.abc import Sequence

from benchmarks import plan
from benchmarks.figures import Figures, Round, Sized, Spread, figures, ratio
from benchmarks.measure import Load, Run, run
from benchmarks.plan import Options
from benchmarks.progress import Progress
from benchmarks.results import Conditions, Results
from benchmarks.rig import PGBENCH, PRODUCT, PRODUCT_2, REFERENCE, REFERENCE_2, Rig, Variant
from benchmarks.workload import Size
from carthub_dev import toolchain

_VEGETA = "github.com/tsenart/vegeta/v12"
_RATIOS = (
    (PRODUCT, REFERENCE),
    (PRODUCT_2, REFERENCE_2),
    (PRODUCT_2, PRODUCT),
    (PRODUCT, PGBENCH),
    (PRODUCT_2, PGBENCH),
)


class Session:
    """One benchmark; every run has a seed of its own."""

    def __init__(self, rig: Rig, options: Options, progress: Progress) -> None:
        self._rig = rig
        self._options = options
        self._progress = progress
        self._seeds = itertools.count(1)

    def results(self) -> Results:
        """Measure everything."""
        self._rig.fill(self._options.size)
        saturated = self._rounds(plan.SATURATED)
        common = self._rounds(
            plan.COMMON_RATE, dict.fromkeys(plan.COMMON_RATE, self._options.common_rate)
        )
        half = self._rounds(
            plan.HALF_RATE,
            {variant: _half_of_saturation(saturated, variant) for variant in plan.HALF_RATE},
        )
        crowded = [self._run(variant, size=plan.CROWD) for variant in plan.CROWDED]
        return Results(
            conditions=self._conditions(),
            saturated=_by_variant(saturated),
            ratios={
                f"{measured.label} / {base.label}": ratio(saturated, measured, base)
                for measured, base in _RATIOS
            },
            common_rate=_by_variant(common),
            half_rate=_by_variant(half),
            crowded=[figures([found]) for found in crowded],
            sizes=[self._sized(Size(*size)) for size in self._options.sizes],
        )

    def _rounds(
        self, variants: Sequence[Variant], rates: dict[Variant, int] | None = None
    ) -> list[Round]:
        return [
            {
                variant.label: self._run(variant, rate=rates[variant] if rates else None)
                for variant in plan.order(number, variants)
            }
            for number in range(self._options.rounds)
        ]

    def _sized(self, size: Size) -> Sized:
        filled = self._rig.databases.product.fill(size)
        rounds = [
            {
                variant.label: self._run(variant, size=size)
                for variant in plan.order(number, plan.SIZED)
            }
            for number in range(self._options.size_rounds)
        ]
        found = {
            variant.label: figures([each[variant.label] for each in rounds])
            for variant in plan.SIZED
        }
        return Sized(
            carts=size.carts,
            lines=size.lines,
            fill_seconds=round(filled.seconds, 1),
            mebibytes=round(filled.mebibytes, 1),
            of_pgbench=ratio(rounds, PRODUCT, PGBENCH),
            product=found[PRODUCT.label],
            pgbench=found[PGBENCH.label],
        )

    def _run(self, variant: Variant, *, size: Size | None = None, rate: int | None = None) -> Run:
        options = self._options
        given = Load(
            size=size or options.size,
            seed=next(self._seeds),
            connections=options.connections,
            seconds=options.seconds,
            warm_up_seconds=options.warm_up_seconds,
            rate=rate,
        )
        found = run(self._rig, variant, given)
        self._progress.note(found, given)
        return found

    def _conditions(self) -> Conditions:
        return Conditions(
            cores=os.cpu_count() or 0,
            python=platform.python_version(),
            client=f"vegeta {toolchain.tool_set('vegeta').version_of(_VEGETA)}",
            postgresql=self._rig.databases.settings(),
            options=dataclasses.asdict(self._options),
        )


def _half_of_saturation(rounds: Sequence[Round], variant: Variant) -> int:
    return max(1, round(Spread.of(each[variant.label].per_second for each in rounds).median / 2))


def _by_variant(rounds: Sequence[Round]) -> list[Figures]:
    return [figures([each[label] for each in rounds]) for label in sorted(rounds[0])]
