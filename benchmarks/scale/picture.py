"""The operator's results as one SVG."""

from collections.abc import Callable
from typing import Any

from benchmarks import picture
from benchmarks.scale.goals import PRODUCT, REFERENCE
from benchmarks.scale.results import Figures, Results

Spec = dict[str, Any]

_CHARTS: tuple[tuple[str, Callable[[Figures], float], str], ...] = (
    ("Requests for a new resource", lambda one: one.requests_each, ".1f"),
    ("Seconds until all have converged", lambda one: one.converged.seconds, ".0f"),
    (
        "Requests a minute while nothing changes",
        lambda one: one.idle.requests.total / one.idle.seconds * 60,
        ".0f",
    ),
    (
        "Seconds until an edited child is set back, p99",
        lambda one: one.healed_idle.p99_seconds,
        ".2f",
    ),
    ("Most memory, MiB", lambda one: one.peak_mebibytes, ".0f"),
)


def drawn(results: Results) -> str:
    """Return the picture."""
    return picture.svg([_chart(results, *chart) for chart in _CHARTS])


def _chart(results: Results, title: str, value: Callable[[Figures], float], form: str) -> Spec:
    rows = [
        {
            "variant": f"{one.resources:,} {one.subject}",
            "service": one.subject,
            "value": value(one),
            "low": value(one),
            "high": value(one),
            "label": format(value(one), form),
        }
        for one in sorted(results.figures, key=lambda one: (one.resources, one.subject))
        if one.subject in {PRODUCT, REFERENCE}
    ]
    return picture.bars(title, rows, order=[str(row["variant"]) for row in rows])
