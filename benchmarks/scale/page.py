"""The tables of docs/benchmarks-operator.md."""

from collections.abc import Iterator, Sequence

from benchmarks.page import table
from benchmarks.scale import goals
from benchmarks.scale.goals import Goal
from benchmarks.scale.results import Figures, Healed, Results


def rendered(results: Results, picture: str) -> str:
    """Return all tables."""
    return "\n".join(
        (
            *_goal_table(list(goals.goals(results))),
            "",
            f"![Requests, seconds and memory by the number of resources]({picture})",
            "",
            *_converge_table(results),
            "",
            *_idle_table(results),
            "",
            *_heal_table(results),
            "",
            *_restart_table(results),
            "",
            *_kind_table(results),
            "",
            *_conditions(results),
        )
    )


def _goal_table(found: Sequence[Goal]) -> Iterator[str]:
    yield from table(
        ("figure", "must", "aims for", "measured", "", "reference"),
        [
            (
                goal.figure,
                f"{goal.must:g}{goal.unit}",
                f"{goal.aims:g}{goal.unit}",
                f"{goal.product:g}{goal.unit}",
                goal.verdict,
                "" if goal.reference is None else f"{goal.reference:g}{goal.unit}",
            )
            for goal in found
        ],
    )


def _each(results: Results) -> list[Figures]:
    return sorted(results.figures, key=lambda one: (one.resources, one.subject))


def _named(found: Figures) -> tuple[str, str]:
    return f"{found.resources:,}", found.subject


def _converge_table(results: Results) -> Iterator[str]:
    yield "**New resources, all at once, until each is what its spec says**"
    yield ""
    yield from table(
        (
            "resources",
            "",
            "all created after",
            "all converged after",
            "requests each",
            "writes each",
            "operator CPU each",
            "API server CPU each",
            "most memory",
            "other load",
        ),
        [
            (
                *_named(one),
                f"{one.converged.created_seconds:.1f} s",
                f"{one.converged.seconds:.1f} s",
                f"{one.requests_each:.1f}",
                f"{one.converged.requests.writes / one.resources:.1f}",
                f"{one.converged.operator_cpu_seconds / one.resources * 1000:.0f} ms",
                f"{one.converged.api_server_cpu_seconds / one.resources * 1000:.0f} ms",
                f"{one.peak_mebibytes:.0f} MiB",
                f"{one.load_before:.1f}",
            )
            for one in _each(results)
        ],
    )


def _idle_table(results: Results) -> Iterator[str]:
    yield f"**Nothing changes for {results.conditions.options['idle_seconds']:g} s**"
    yield ""
    yield from table(
        ("resources", "", "writes", "reads", "operator CPU", "API server CPU", "memory"),
        [
            (
                *_named(one),
                one.idle.requests.writes,
                one.idle.requests.total - one.idle.requests.writes,
                f"{one.idle.operator_cpu_percent:.1f} % of a core",
                f"{one.idle.api_server_cpu_percent:.1f} %",
                f"{one.idle.mebibytes:.0f} MiB",
            )
            for one in _each(results)
        ],
    )


def _heal_table(results: Results) -> Iterator[str]:
    yield "**A Service edited by hand, until it is set back**"
    yield ""
    yield from table(
        ("resources", "", "edits", "idle: p50", "p99", "under load: p50", "p99"),
        [
            (
                *_named(one),
                one.healed_idle.edits,
                *_seconds(one.healed_idle),
                *_seconds(one.healed_under_load),
            )
            for one in _each(results)
        ],
    )


def _seconds(found: Healed) -> tuple[str, str]:
    return _told(found, found.p50_seconds), _told(found, found.p99_seconds)


def _told(found: Healed, seconds: float) -> str:
    if found.unhealed and seconds == found.most_seconds:
        return f"over {seconds:.0f} s"
    return f"{seconds:.2f} s"


def _restart_table(results: Results) -> Iterator[str]:
    yield "**A restart, until everything has been looked at once**"
    yield ""
    yield from table(
        ("resources", "", "seconds", "requests", "of them reads of Secrets", "writes"),
        [
            (
                *_named(one),
                f"{one.restarted.seconds:.1f}",
                one.restarted.requests.total,
                one.restarted.requests.secret_reads,
                one.restarted.requests.writes,
            )
            for one in _each(results)
        ],
    )


def _kind_table(results: Results) -> Iterator[str]:
    largest = max(one.resources for one in results.figures)
    shown = [one for one in _each(results) if one.resources == largest]
    yield f"**What the requests of {largest:,} new resources were**, a resource"
    yield ""
    for one in shown:
        told = ", ".join(
            f"{count / one.resources:.2g} {kind}"
            for kind, count in one.converged.requests.kinds.items()
            if count >= one.resources / 20
        )
        yield f"- {one.subject}: {told}"


def _conditions(results: Results) -> Iterator[str]:
    found = results.conditions
    options = found.options
    yield (
        f"Measured on {found.cores} cores with Python {found.python}, Kubernetes "
        f"{found.kubernetes} and kwok {found.kwok}: {options['nodes']} nodes, credentials looked "
        f"at every {options['refresh_interval']}, {options['edits_per_second']:g} edits a second, "
        f"under load {options['changes_per_second']:g} changed resources a second beside them. "
        "Other load is how many processes wanted to run in the minute before."
    )
