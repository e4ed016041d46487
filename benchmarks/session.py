"""The whole benchmark: every variant in every round, in one go, on the same PostgreSQL."""

import dataclasses
import itertools
import os
import platform
from collections.abc import Mapping, Sequence

from benchmarks import client, plan
from benchmarks.figures import Figures, Round, Sized, Spread, figures, ratio
from benchmarks.measure import Load, Run, run
from benchmarks.plan import Options, Part
from benchmarks.progress import Progress
from benchmarks.results import Conditions, Results
from benchmarks.rig import PGBENCH, PRODUCT, Callers, Rig, Variant
from benchmarks.workload import Size


class Session:
    """One benchmark; every run has a seed of its own."""

    def __init__(self, rig: Rig, options: Options, progress: Progress) -> None:
        self._rig = rig
        self._options = options
        self._progress = progress
        self._seeds = itertools.count(1)

    def results(self) -> Results:
        """Measure every part that was asked for; what was not is empty."""
        self._rig.fill(self._options.size)
        saturated = self._rounds(plan.SATURATED) if self._has(Part.SATURATION) else []
        common = dict.fromkeys(plan.COMMON_RATE, self._options.common_rate)
        has_rates = self._has(Part.RATES)
        return Results(
            conditions=self._conditions(),
            saturated=_by_variant(saturated),
            ratios={
                f"{one.label} / {base.label}": ratio(saturated, one, base)
                for one, base in plan.pairs()
                if saturated
            },
            common_rate=_by_variant(self._rounds(plan.COMMON_RATE, common) if has_rates else []),
            half_rate=_by_variant(self._at_half(saturated) if has_rates else []),
            crowded=[
                figures([self._run(variant, size=plan.CROWD)])
                for variant in plan.CROWDED
                if self._has(Part.CROWD)
            ],
            own_tokens=self._own_tokens() if self._has(Part.TOKENS) else None,
            sizes=[self._sized(size) for size in self._options.sizes if self._has(Part.SIZES)],
        )

    def _has(self, part: Part) -> bool:
        return part in self._options.parts

    def _at_half(self, saturated: list[Round]) -> list[Round]:
        known = saturated or self._rounds(plan.HALF_RATE)
        medians = {
            variant: Spread.of(each[variant.label].per_second for each in known).median
            for variant in plan.HALF_RATE
        }
        rates = {variant: max(1, round(median / 2)) for variant, median in medians.items()}
        return self._rounds(plan.HALF_RATE, rates, seconds=self._options.half_rate_seconds)

    def _rounds(
        self,
        variants: Sequence[Variant],
        rates: Mapping[Variant, int] | None = None,
        *,
        size: Size | None = None,
        count: int | None = None,
        seconds: float | None = None,
    ) -> list[Round]:
        return [
            {
                variant.label: self._run(
                    variant, size=size, rate=rates[variant] if rates else None, seconds=seconds
                )
                for variant in plan.order(number, variants)
            }
            for number in range(count or self._options.rounds)
        ]

    def _own_tokens(self) -> Spread:
        rounds = []
        for number in range(self._options.rounds):
            found = {
                callers: self._run(PRODUCT, size=plan.VISITORS, callers=callers)
                for callers in plan.order(number, tuple(Callers))
            }
            rounds.append(found[Callers.CUSTOMERS].per_second / found[Callers.SHOP].per_second)
        return Spread.of(rounds)

    def _sized(self, size: Size) -> Sized:
        filled = self._rig.databases.product.fill(size)
        rounds = self._rounds(plan.SIZED, size=size, count=self._options.size_rounds)
        found = {one.variant: one for one in _by_variant(rounds)}
        return Sized(
            carts=size.carts,
            lines=size.lines,
            fill_seconds=round(filled.seconds, 1),
            mebibytes=round(filled.mebibytes, 1),
            of_pgbench=ratio(rounds, PRODUCT, PGBENCH),
            product=found[PRODUCT.label],
            pgbench=found[PGBENCH.label],
        )

    def _run(
        self,
        variant: Variant,
        *,
        size: Size | None = None,
        rate: int | None = None,
        callers: Callers = Callers.SHOP,
        seconds: float | None = None,
    ) -> Run:
        options = self._options
        given = Load(
            size=size or options.size,
            seed=next(self._seeds),
            connections=options.paced_connections if rate else options.connections,
            seconds=seconds or options.seconds,
            warm_up_seconds=options.warm_up_seconds,
            rate=rate,
            callers=callers,
        )
        found = run(self._rig, variant, given)
        self._progress.note(found, given)
        return found

    def _conditions(self) -> Conditions:
        return Conditions(
            cores=os.cpu_count() or 0,
            python=platform.python_version(),
            client=client.version(),
            postgresql=self._rig.databases.settings(),
            options=dataclasses.asdict(self._options),
        )


def _by_variant(rounds: Sequence[Round]) -> list[Figures]:
    # In the order of the first round, which is the plan's.
    return [figures([each[label] for each in rounds]) for label in (rounds[0] if rounds else ())]
