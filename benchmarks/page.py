"""The tables of docs/benchmarks.md, made of the results and of what they must reach."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.errors import BenchmarkFailed
from benchmarks.figures import Figures, Sized, Spread
from benchmarks.results import Results
from benchmarks.rig import PGBENCH, PRODUCT, PRODUCT_2, REFERENCE, Variant

# Between two requests of a shopper who looks at products.
_PAUSE_SECONDS = 10

_BEGIN = "<!-- results: written by make bench -->"
_END = "<!-- end of results -->"


@dataclass(frozen=True)
class Goal:
    """A figure, what it must reach, and what it aims for."""

    figure: str
    must: float
    aims: float
    found: Spread
    unit: str = ""
    is_at_least: bool = True

    @property
    def verdict(self) -> str:
        """How the median stands to both."""
        if self._reaches(self.aims):
            return "as aimed for"
        return "as it must" if self._reaches(self.must) else "**missed**"

    def _reaches(self, bound: float) -> bool:
        median = self.found.median
        return median >= bound if self.is_at_least else median <= bound


def goals(results: Results) -> list[Goal]:
    """Return the figures that have a bound."""
    half = {found.variant: found for found in results.half_rate}
    saturated = {found.variant: found for found in results.saturated}
    return [
        Goal(
            "requests/s against the reference, one worker", 8, 15, _of(results, PRODUCT, REFERENCE)
        ),
        Goal(
            "requests/s against pgbench, two workers", 0.2, 0.35, _of(results, PRODUCT_2, PGBENCH)
        ),
        Goal(
            "p99 against p50 at half of the saturation rate, one worker",
            5,
            3,
            _known(half[PRODUCT.label].p99_of_p50),
            is_at_least=False,
        ),
        Goal(
            "memory of a worker",
            120,
            80,
            Spread.of([saturated[PRODUCT_2.label].worker_mib or 0]),
            unit=" MiB",
            is_at_least=False,
        ),
    ]


def rendered(results: Results, picture: str) -> str:
    """Return all tables."""
    return "\n".join(
        (
            *_goal_table(goals(results)),
            "",
            f"![Requests a second, answer times and sizes]({picture})",
            "",
            *_ratio_table(results),
            "",
            *_figure_table("As fast as it goes", results.saturated),
            "",
            *_figure_table(_rate_title(results), results.common_rate),
            "",
            *_figure_table("At half of its own saturation rate", results.half_rate),
            "",
            *_crowd_table(results.crowded),
            "",
            *_tokens(results),
            "",
            *_size_table(results.sizes),
            "",
            *_capacity(results),
            "",
            *_conditions(results),
        )
    )


def with_results(page: str, tables: str) -> str:
    """Return the page with these tables between its markers."""
    before, begin, rest = page.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        raise BenchmarkFailed(f"the page lacks {_BEGIN} or {_END}")
    return f"{before}{_BEGIN}\n\n{tables}\n\n{_END}{after}"


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> Iterator[str]:
    """Yield the lines of a table."""
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(map(str, row))} |"


def _of(results: Results, one: Variant, base: Variant) -> Spread:
    return results.ratios[f"{one.label} / {base.label}"]


def _known(found: Spread | None) -> Spread:
    if found is None:
        raise BenchmarkFailed("a service has no latencies")
    return found


def _goal_table(found: Sequence[Goal]) -> Iterator[str]:
    yield from table(
        ("figure", "must", "aims for", "measured", ""),
        [
            (
                goal.figure,
                f"{goal.must:g}{goal.unit}",
                f"{goal.aims:g}{goal.unit}",
                f"{goal.found}{goal.unit}",
                goal.verdict,
            )
            for goal in found
        ],
    )


def _ratio_table(results: Results) -> Iterator[str]:
    yield "**Requests a second, as a multiple** (median of the rounds, lowest and highest)"
    yield ""
    yield from table(("", "multiple"), [(pair, spread) for pair, spread in results.ratios.items()])


def _figure_table(title: str, found: Sequence[Figures]) -> Iterator[str]:
    yield f"**{title}**"
    yield ""
    yield from table(
        (
            "",
            "requests/s",
            "p50 ms",
            "p99 ms",
            "worker CPU us a request",
            "database CPU us a request",
            "memory of a worker",
            "unexpected answers",
            "restarts",
        ),
        [
            (
                one.variant,
                one.per_second,
                one.p50_ms or "",
                one.p99_ms or "",
                one.worker_cpu_us or "",
                one.database_cpu_us,
                f"{one.worker_mib:g} MiB" if one.worker_mib else "",
                one.unexpected,
                one.restarts,
            )
            for one in found
        ],
    )


def _crowd_table(found: Sequence[Figures]) -> Iterator[str]:
    yield "**Adds that meet: everybody on five carts**"
    yield ""
    yield from table(
        ("", "acknowledged adds", "of them lost"),
        [(one.variant, one.acknowledged_adds, one.lost_adds) for one in found],
    )


def _tokens(results: Results) -> Iterator[str]:
    if results.own_tokens is not None:
        yield (
            "With each customer's own token instead of one of the shop's backend: "
            f"{results.own_tokens} of the throughput."
        )


def _size_table(found: Sequence[Sized]) -> Iterator[str]:
    yield "**More carts, larger carts** (one worker)"
    yield ""
    yield from table(
        (
            "carts x lines",
            "filled in",
            "on disk",
            "bytes a cart",
            "requests/s of pgbench's",
            "worker CPU us a request",
            "database CPU us a request",
        ),
        [
            (
                f"{one.carts:,} x {one.lines}",
                f"{one.fill_seconds:g} s",
                f"{one.mebibytes:,.0f} MiB",
                f"{one.mebibytes * (1 << 20) / one.carts:,.0f}",
                one.of_pgbench,
                one.product.worker_cpu_us,
                one.product.database_cpu_us,
            )
            for one in found
        ],
    )


def _capacity(results: Results) -> Iterator[str]:
    [half] = (one for one in results.half_rate if one.variant == PRODUCT.label)
    rate = half.per_second.median
    carts = [
        one for one in results.sizes if one.lines == results.conditions.options["size"]["lines"]
    ]
    largest = max(carts, key=lambda one: one.carts)
    yield (
        f"**How much that is.** At half of its saturation a pod answered {rate:,.0f} requests a "
        f"second here: {rate * _PAUSE_SECONDS:,.0f} shoppers who each ask once in "
        f"{_PAUSE_SECONDS} seconds. A GiB of disk holds "
        f"{largest.carts / largest.mebibytes * 1024:,.0f} carts of {largest.lines} lines, "
        f"with their indexes; measured with {largest.carts:,}."
    )


def _rate_title(results: Results) -> str:
    return f"At {results.conditions.options['common_rate']} requests a second"


def _conditions(results: Results) -> Iterator[str]:
    found = results.conditions
    options = found.options
    settings = ", ".join(f"{name} {value}" for name, value in found.postgresql.items())
    yield (
        f"Measured on {found.cores} cores with Python {found.python} and {found.client}: "
        f"{options['rounds']} rounds of {options['seconds']:g} s after "
        f"{options['warm_up_seconds']:g} s of warm-up, {options['connections']} connections, "
        f"{options['size']['carts']:,} carts of {options['size']['lines']} lines."
    )
    yield ""
    yield f"PostgreSQL: {settings}."
