"""The command behind `make bench`."""

import contextlib
import os
import sys
from typing import Annotated

import typer

from benchmarks import client, plan, report, results
from benchmarks.plan import Part
from benchmarks.progress import Progress
from benchmarks.results import Results
from benchmarks.rig import rig
from benchmarks.scale import options as scale_options
from benchmarks.scale import report as scale_report
from benchmarks.scale import session as scale_session
from benchmarks.session import Session
from carthub_dev.errors import PlatformError
from carthub_dev.ledger import Ledger, clean_abandoned

_INSTANCE = "bench-"

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def bench(
    *,
    short: Annotated[bool, typer.Option("--short", help="Some minutes, to see it work.")] = False,
    big: Annotated[
        bool, typer.Option("--big", help="Ten million carts too: 10 GB of disk, half an hour.")
    ] = False,
    part: Annotated[list[Part] | None, typer.Option(help="Only this part; repeatable.")] = None,
    resources: Annotated[
        list[int] | None,
        typer.Option(help="How many CartServices the operator gets; repeatable."),
    ] = None,
    operator: Annotated[
        list[scale_options.Who] | None, typer.Option(help="Only this one of them; repeatable.")
    ] = None,
    publish: Annotated[
        bool, typer.Option("--publish", help="Write the results into benchmarks/ and docs/.")
    ] = False,
) -> None:
    """Measure product and reference in one run: the service, or with --part operator that."""
    clean_abandoned(prefix=_INSTANCE)
    parts = [one for one in part or plan.SERVICE_PARTS if one is not Part.OPERATOR]
    try:
        if parts:
            chosen = plan.options(is_short=short, is_big=big, parts=parts)
            _service(chosen, is_whole=not part, publish=publish)
        if Part.OPERATOR in (part or ()):
            asked = scale_options.options(is_short=short, sizes=resources or (), who=operator or ())
            _operator(asked, publish=publish)
    except PlatformError as error:
        _say(f"bench: {error}", is_error=True)
        raise typer.Exit(1) from error


def _service(options: plan.Options, *, is_whole: bool, publish: bool) -> None:
    found = _measured(options)
    for name, spread in found.ratios.items():
        _say(f"{name}: {spread}")
    places = report.PUBLISHED if publish else report.LOCAL
    if is_whole or (publish and places.numbers.exists()):
        whole = found if is_whole else results.read(places.numbers).renewed(found)
        report.write(whole, places)
        _see(places)


def _operator(options: scale_options.Options, *, publish: bool) -> None:
    places = scale_report.PUBLISHED if publish else scale_report.LOCAL
    with Ledger.open(f"{_INSTANCE}{os.getpid()}") as ledger:
        for found in scale_session.results(ledger, options, _say):
            scale_report.write(found, places)
    _see(places)


def _see(places: report.Places) -> None:
    _say(f"See {os.path.relpath(places.page)} and {os.path.relpath(places.picture)}.")


def _measured(options: plan.Options) -> Results:
    with contextlib.ExitStack() as stack:
        ledger = stack.enter_context(Ledger.open(f"{_INSTANCE}{os.getpid()}"))
        client.ensure(ledger, _say)
        running = stack.enter_context(rig(ledger))
        return Session(running, options, Progress(options.run_count, _say)).results()


def _say(text: str, *, is_error: bool = False) -> None:
    print(text, file=sys.stderr if is_error else sys.stdout, flush=True)


if __name__ == "__main__":
    app()
