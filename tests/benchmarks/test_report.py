import dataclasses
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from benchmarks import page, picture, plan, report, results
from benchmarks.errors import BenchmarkFailed
from benchmarks.figures import Figures, Sized, Spread
from benchmarks.results import Conditions, Results
from benchmarks.rig import PGBENCH, PRODUCT, PRODUCT_2, REFERENCE

_ONE = Spread(1, 0.9, 1.1)


def _figures(variant: str, *, p99_of_p50: float = 2, mib: float | None = 70) -> Figures:
    return Figures(
        variant=variant,
        runs=5,
        per_second=Spread(1200, 1100, 1300),
        unexpected=0,
        restarts=0,
        acknowledged_adds=300,
        lost_adds=0,
        p50_ms=_ONE,
        p99_ms=_ONE,
        p99_of_p50=Spread(p99_of_p50, p99_of_p50, p99_of_p50),
        worker_cpu_us=_ONE,
        worker_mib=mib,
        database_cpu_us=_ONE,
    )


def _results(*, against_reference: float = 16, p99_of_p50: float = 2) -> Results:
    ratios = {f"{one.label} / {base.label}": _ONE for one, base in plan.pairs()}
    multiple = Spread(against_reference, against_reference, against_reference)
    return Results(
        conditions=Conditions(2, "3.11", "wrk", {"fsync": "on"}, _OPTIONS),
        saturated=[_figures(one.label) for one in plan.SATURATED],
        ratios={**ratios, f"{PRODUCT.label} / {REFERENCE.label}": multiple},
        common_rate=[_figures(one.label) for one in plan.COMMON_RATE],
        half_rate=[_figures(one.label, p99_of_p50=p99_of_p50) for one in plan.HALF_RATE],
        crowded=[_figures(one.label) for one in plan.CROWDED],
        own_tokens=_ONE,
        sizes=[
            Sized(
                carts=10_000,
                lines=3,
                fill_seconds=1.5,
                mebibytes=10,
                of_pgbench=Spread(0.25, 0.2, 0.3),
                product=_figures(PRODUCT.label),
                pgbench=_figures(PGBENCH.label, mib=None),
            )
        ],
    )


_OPTIONS = dataclasses.asdict(plan.Options())


def test_a_part_that_was_measured_anew_leaves_the_others() -> None:
    kept = _results(p99_of_p50=9)
    empty: list[Figures] = []
    part = dataclasses.replace(
        _results(p99_of_p50=3),
        saturated=empty,
        ratios={},
        crowded=empty,
        sizes=[],
        own_tokens=None,
    )
    found = kept.renewed(part)
    assert found.half_rate == part.half_rate != kept.half_rate
    assert (found.saturated, found.ratios, found.sizes) == (kept.saturated, kept.ratios, kept.sizes)
    assert found.own_tokens == kept.own_tokens


@pytest.mark.parametrize(
    ("measured", "verdict"), [(15, "as aimed for"), (8, "as it must"), (7.9, "**missed**")]
)
def test_a_figure_is_held_against_what_it_must_and_aims_for(measured: float, verdict: str) -> None:
    [goal, *_] = page.goals(_results(against_reference=measured))

    assert goal.verdict == verdict


@pytest.mark.parametrize(
    ("measured", "verdict"), [(3, "as aimed for"), (5, "as it must"), (5.1, "**missed**")]
)
def test_of_times_less_is_better(measured: float, verdict: str) -> None:
    [found] = [one for one in page.goals(_results(p99_of_p50=measured)) if "p99" in one.figure]

    assert found.verdict == verdict


def test_the_page_has_every_goal_ratio_and_size() -> None:
    tables = page.rendered(_results(), "picture.svg")

    assert "| requests/s against the reference, one worker | 8 | 15 | 16 (16 to 16) |" in tables
    assert f"| {PRODUCT_2.label} / {PGBENCH.label} | 1 (0.9 to 1.1) |" in tables
    assert "| 10,000 x 3 | 1.5 s | 10 MiB | 1,049 | 0.25 (0.2 to 0.3) |" in tables
    assert "](picture.svg)" in tables


def test_only_what_is_between_the_markers_changes() -> None:
    text = report.PUBLISHED.page.read_text("utf-8")

    once = page.with_results(text, "new tables")

    before, begin, rest = text.partition("<!-- results")
    assert once.startswith(before + begin)
    assert once.endswith(rest.partition("<!-- end of results -->")[2])
    assert "new tables" in once
    assert page.with_results(once, "new tables") == once


def test_a_page_without_markers_is_refused() -> None:
    with pytest.raises(BenchmarkFailed, match="lacks"):
        page.with_results("# Benchmarks\n", "tables")


def test_results_are_read_back_as_they_were_written(tmp_path: Path) -> None:
    results.write(_results(), tmp_path / "latest.json")

    read = results.read(tmp_path / "latest.json")

    assert page.rendered(read, "p") == page.rendered(_results(), "p")
    assert read.sizes == _results().sizes


def test_the_picture_names_everything_that_was_measured() -> None:
    drawn = picture.drawn(_results())

    words = {"".join(text.itertext()) for text in ET.fromstring(drawn).iter() if text.text}  # noqa: S314 - our own
    assert {one.label for one in plan.SATURATED} <= words
    assert "10,000 x 3" in words
    assert any("100 requests a second" in text for text in words)
    assert picture.drawn(_results()) == drawn


def test_a_report_is_written_to_its_places(tmp_path: Path) -> None:
    numbers, pictures, pages = (tmp_path / name for name in ("numbers", "pictures", "pages"))
    places = report.Places(numbers / "a.json", pictures / "a.svg", pages / "a.md")

    report.write(_results(), places)

    assert "](a.svg)" in places.page.read_text()
    assert results.read(places.numbers).own_tokens == _ONE
    assert places.picture.read_text().startswith("<svg")
