"""The results as one SVG, drawn by Vega-Lite from a description."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import vl_convert

from benchmarks.figures import Figures, Spread
from benchmarks.results import Results
from benchmarks.rig import PGBENCH, PRODUCT, REFERENCE

_VEGA_LITE = "6.4"
_WIDTH = 420
_COLOURS = {"domain": [REFERENCE.name, PRODUCT.name, PGBENCH.name]} | {
    "range": ["#8c8c8c", "#0b6e4f", "#c9a227"]
}

Spec = dict[str, Any]


def drawn(results: Results) -> str:
    """Return the picture."""
    return svg([_throughput(results), _latency(results), _sizes(results)])


def svg(charts: Sequence[Spec]) -> str:
    """Return charts below each other as one picture."""
    text: str = vl_convert.vegalite_to_svg(
        {
            "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
            "background": "white",
            "padding": 12,
            "config": {"view": {"stroke": None}, "axis": {"grid": False}, "font": "sans-serif"},
            "vconcat": list(charts),
            "resolve": {"scale": {"color": "independent"}},
        },
        _VEGA_LITE,
    )
    return text


def bars(title: str, rows: Sequence[Mapping[str, object]], *, order: Iterable[str]) -> Spec:
    """Return a bar for each row, in this order, with its label and its spread."""
    y = {"field": "variant", "type": "nominal", "sort": list(order), "title": None}
    x = {"field": "value", "type": "quantitative", "title": None}
    colour = {"field": "service", "type": "nominal", "scale": _COLOURS, "legend": None}
    return {
        "title": {"text": title, "anchor": "start", "fontSize": 13},
        "width": _WIDTH,
        "height": {"step": 22},
        "data": {"values": list(rows)},
        "encoding": {"y": y},
        "layer": [
            {"mark": {"type": "bar", "height": 14}, "encoding": {"x": x, "color": colour}},
            {
                "mark": {"type": "rule", "strokeWidth": 1.5},
                "encoding": {"x": {**x, "field": "low"}, "x2": {"field": "high"}},
            },
            {
                "mark": {"type": "text", "align": "left", "dx": 6, "fontSize": 11},
                "encoding": {"x": {**x, "field": "high"}, "text": {"field": "label"}},
            },
        ],
    }


def _throughput(results: Results) -> Spec:
    [base] = (one.per_second.median for one in results.saturated if one.variant == REFERENCE.label)
    rows = [
        {
            **_named(one),
            **_values(one.per_second, base),
            "label": f"{one.per_second.median / base:.1f}",
        }
        for one in results.saturated
    ]
    return bars(
        "Requests a second; the reference with one worker is 1",
        rows,
        order=[one.variant for one in results.saturated],
    )


def _latency(results: Results) -> Spec:
    rows = [
        {
            **_named(one),
            **_values(spread),
            "variant": f"{one.variant}, {name}",
            "label": f"{spread.median:g} ms",
        }
        for one in results.common_rate
        for name, spread in (("p50", one.p50_ms), ("p99", one.p99_ms))
        if spread is not None
    ]
    rate = results.conditions.options["common_rate"]
    return bars(
        f"Milliseconds to answer at {rate} requests a second",
        rows,
        order=[str(row["variant"]) for row in rows],
    )


def _sizes(results: Results) -> Spec:
    rows = [
        {
            "variant": f"{one.carts:,} x {one.lines}",
            "service": PRODUCT.name,
            **_values(one.of_pgbench),
            "label": f"{one.of_pgbench.median:.2f}",
        }
        for one in results.sizes
    ]
    return bars(
        "Carts x lines: requests a second of one worker; pgbench is 1",
        rows,
        order=[str(row["variant"]) for row in rows],
    )


def _named(found: Figures) -> dict[str, object]:
    return {"variant": found.variant, "service": found.variant.partition(" ")[0]}


def _values(spread: Spread, base: float = 1) -> dict[str, object]:
    return {
        "value": spread.median / base,
        "low": spread.low / base,
        "high": spread.high / base,
    }
