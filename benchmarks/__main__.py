"""The command behind `make bench`."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from benchmarks import plan, results
from benchmarks.progress import Progress
from benchmarks.rig import rig
from benchmarks.session import Session
from carthub_dev.errors import PlatformError
from carthub_dev.ledger import Ledger, clean_abandoned

_INSTANCE = "bench-"

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def bench(
    *,
    short: Annotated[bool, typer.Option("--short", help="A few minutes, to see it work.")] = False,
    output: Annotated[Path, typer.Option(help="Where the results go.")] = results.FOLDER
    / "latest.json",
) -> None:
    """Measure the reference service, the product and pgbench, interleaved in one run."""
    options = plan.SHORT if short else plan.Options()
    progress = Progress(options.run_count)
    try:
        clean_abandoned(prefix=_INSTANCE)
        with Ledger.open(f"{_INSTANCE}{os.getpid()}") as ledger, rig(ledger) as running:
            found = Session(running, options, progress).results()
    except PlatformError as error:
        print(f"bench: {error}", file=sys.stderr)  # noqa: T201 - what it prints is its interface
        raise typer.Exit(1) from error
    results.write(found, output)


if __name__ == "__main__":
    app()
