"""The wiring of the command line: its commands, its exit codes, and how errors are told."""

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from carthub_operator import errors
from carthub_operator.cli import render, status, suspend, sync, validate, wait
from carthub_operator.cli.exits import Exit
from carthub_operator.version import __version__

_EPILOG = (
    "Exit codes: 0 done or Ready; 1 no: not Ready, not valid, stalled; 2 asked wrongly;"
    " 3 not within the time; 4 the API server cannot be asked or refuses; 5 not found."
)

app = typer.Typer(
    name="carthub",
    help="Look at CartServices and act on them. Also installed as `kubectl carthub`.",
    epilog=_EPILOG,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("status")(status.status)
app.command("wait")(wait.wait)
app.command("sync")(sync.sync)
app.command("suspend")(suspend.suspend)
app.command("resume")(suspend.resume)
app.command("render")(render.render)
app.command("validate")(validate.validate)


def _version(context: typer.Context, asked: bool) -> None:  # noqa: FBT001 - typer's callback
    # Resilient: somebody only asks what may follow.
    if asked and not context.resilient_parsing:
        typer.echo(f"carthub {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


def run(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit."""
    try:
        app(args=list(arguments) if arguments is not None else None)
    except errors.CarthubError as error:
        typer.echo(f"carthub: {error}", err=True)
        sys.exit(_code(error))


def _code(error: errors.CarthubError) -> Exit:
    if isinstance(error, errors.NotFound):
        return Exit.NOT_FOUND
    if isinstance(error, errors.InvalidSpec):
        return Exit.ASKED_WRONGLY
    return Exit.NOT_ANSWERED
