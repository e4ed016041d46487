"""The commands: run, up, down, status, env, rotate; images, push, release."""

import contextlib
import enum
import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from carthub_dev import (
    demonstration,
    images,
    paths,
    platform,
    privileges,
    publishing,
    releasing,
    report,
    rotation,
    session,
)
from carthub_dev import ledger as ledgers
from carthub_dev.cluster import MAX_NODES
from carthub_dev.errors import InstanceInUse, PlatformError
from carthub_dev.steps import Shown

_PREFERRED_PORT = 8000
_STEPS = platform.STEPS + demonstration.STEPS
_MEBIBYTE = 1 << 20
_ABOUT_INSTANCES = (
    "`make status` shows it, `make down` ends it; INSTANCE=name before any of them is another one"
)
_LAST_LINE = "Ctrl-C ends it and removes everything."

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__
)

Instance = Annotated[
    str, typer.Option(envvar="INSTANCE", help="Name of the instance; several can run at once.")
]
Nodes = Annotated[
    int, typer.Option(min=1, max=MAX_NODES, envvar="NODES", help="How many real nodes.")
]
Tag = Annotated[str, typer.Option(help="Their tag: a commit, where a pipeline builds.")]


class Output(enum.StrEnum):
    """How status is printed."""

    TABLE = "table"
    JSON = "json"


@app.command()
def run(
    nodes: Nodes = 1,
    instance: Instance = session.DEFAULT,
    *,
    once: Annotated[bool, typer.Option("--once", help="End after the demonstration.")] = False,
) -> None:
    """Start everything, show a first cart, stay until Ctrl-C, then remove everything."""
    with _told():
        privileges.refuse_without_root()
        shown = Shown(_STEPS)
        try:
            with session.session(
                instance, nodes=nodes, steps=shown, preferred_port=_PREFERRED_PORT
            ) as presented:
                report.present(shown.console, presented)
                shown.console.print(f"Up after {presented.state.seconds:.0f} s.")
                if not once:
                    session.wait_for_the_end(lambda: shown.say(_LAST_LINE))
        except KeyboardInterrupt:
            shown.say("Interrupted. Nothing is left.")
            raise typer.Exit(130) from None
        shown.say("Nothing is left.")


@app.command()
def up(nodes: Nodes = 1, instance: Instance = session.DEFAULT) -> None:
    """Do the same in the background; `down` removes it."""
    with _told():
        privileges.refuse_without_root()
        if session.read_state(instance):
            show = session.command("status", instance)
            print(f"Instance {instance} is up already; `{show}` shows where.")
            return
        if ledgers.owner(instance):
            raise InstanceInUse(f"instance {instance} is being started or removed")
        log = paths.cache_dir() / "logs" / f"{instance}-up.log"
        background = _in_background(log, instance, nodes)
        try:
            _follow(log, background)
        except KeyboardInterrupt:
            background.terminate()
            background.wait()
            print("Interrupted. Nothing is left.")
            raise typer.Exit(130) from None
        print(f"It runs in the background; `{session.command('down', instance)}` removes it.")


@app.command()
def down(instance: Instance = session.DEFAULT) -> None:
    """Remove everything that an instance has started, also after a crash."""
    with _told():
        started = time.monotonic()
        if session.end(instance):
            print(f"Instance {instance} is removed ({time.monotonic() - started:.1f} s).")
        else:
            print(f"Instance {instance} is not there.")


@app.command()
def status(instance: Instance = session.DEFAULT, output: Output = Output.TABLE) -> None:
    """Show what runs and where; exit code 3 when the instance is not up."""
    with _told():
        state = session.read_state(instance)
        found = session.parts(instance)
        if output is Output.JSON:
            known = {k: v for k, v in asdict(state).items() if k != "database"} if state else None
            print(json.dumps({"state": known, "parts": found}, indent=1))
        else:
            _print_status(instance, state, found)
        if state is None:
            raise typer.Exit(3)


@app.command()
def env(instance: Instance = session.DEFAULT) -> None:
    """Print what a shell needs to look at an instance, for its `eval`."""
    with _told():
        state = _state_of(instance)
        # kubectl and carthub are among this environment's own programs.
        programs = shlex.quote(str(Path(sys.executable).parent))
        print(f'export PATH={programs}:"$PATH"')
        print(f"export KUBECONFIG={shlex.quote(state.kubeconfig)}")
        print(f"export CART_API={shlex.quote(state.docs)}")


@app.command()
def rotate(instance: Instance = session.DEFAULT) -> None:
    """Rotate the database password of the demonstration in Secrets Manager."""
    with _told():
        login = rotation.rotate(_state_of(instance))
        print(
            f"The secret now has login {login} with a new password. The operator notices within "
            "the resource's refreshInterval (60 s)."
        )


@app.command()
def release(
    output: Annotated[
        Path, typer.Option(help="The folder; what was built into it before goes.")
    ] = releasing.DEFAULT_FOLDER,
    *,
    snapshot: Annotated[
        bool, typer.Option("--snapshot", help="Of the checkout as it is, for trying.")
    ] = False,
    images: Annotated[bool, typer.Option(help="Without them it needs no root.")] = True,
) -> None:
    """Build everything that a version is published as."""
    with _told(), ledgers.Ledger.open(f"release-{os.getpid()}") as ledger:
        started = time.monotonic()
        request = releasing.Request(output, is_snapshot=snapshot, has_images=images)
        made = releasing.build(ledger, request)
        for file in made:
            print(f"{file.stat().st_size / 1e6:8.1f} MB  {file}")
        print(f"{len(made)} files in {time.monotonic() - started:.0f} s.")


@app.command("images")
def build(tag: Tag = "dev") -> None:
    """Build both images, where their sources have changed, into the cache."""
    with _told(), _ledger("images") as ledger:
        privileges.refuse_without_root("building images", "use `sudo make images`")
        for image in images.build_images(ledger, tag, revision=_revision(tag)).values():
            print(f"{image.reference} is {image.archive}")


@app.command()
def push(repository: str, tag: Tag = "dev") -> None:
    """Push both images to REPOSITORY, such as a registry's host; what is there is left alone."""
    with _told(), _ledger("push") as ledger:
        privileges.refuse_without_root("building images", "use `sudo make push`")
        built = images.build_images(ledger, tag, revision=_revision(tag))
        publishing.publish(built.values(), repository, ledger=ledger)


def _revision(tag: str) -> str | None:
    # `dev` names no commit: then the image's label names its sources.
    return None if tag == "dev" else tag


def _ledger(purpose: str) -> ledgers.Ledger:
    return ledgers.Ledger.open(f"{purpose}-{os.getpid()}")


def _state_of(instance: str) -> session.State:
    state = session.read_state(instance)
    if state is None:
        start = session.command("up", instance)
        raise PlatformError(f"instance {instance} is not up: `{start}` starts it")
    return state


def _print_status(
    instance: str, state: session.State | None, found: list[dict[str, object]]
) -> None:
    console = Console(highlight=False, soft_wrap=True)
    if state is None:
        console.print(_why_not_up(instance))
    else:
        for name, value in asdict(state).items():
            if name != "database":
                console.print(f"{name:<12}{value}", markup=False)
    if not found:
        return
    table = Table("part", "pid", "runs", "memory", box=None)
    for part in found:
        memory = f"{int(str(part['memory_bytes'])) / _MEBIBYTE:.0f} MiB"
        table.add_row(str(part["role"]), str(part["pid"]), "yes" if part["runs"] else "no", memory)
    console.print(table)


def _why_not_up(instance: str) -> str:
    if ledgers.owner(instance):
        return f"Instance {instance} is being started or removed."
    if instance in ledgers.instances():
        remove = session.command("down", instance)
        return f"Instance {instance} was killed; `{remove}` removes what it left."
    return f"Instance {instance} is not up."


def _in_background(log: Path, instance: str, nodes: int) -> "subprocess.Popen[bytes]":
    log.parent.mkdir(parents=True, exist_ok=True)
    # Another file of that name: who still writes the old one goes on undisturbed.
    log.unlink(missing_ok=True)
    command = [sys.executable, "-m", "carthub_dev", "run", "--instance", instance]
    with log.open("w") as output:
        return subprocess.Popen(
            [*command, "--nodes", str(nodes)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )


def _follow(log: Path, background: "subprocess.Popen[bytes]") -> None:
    """Show the log until the instance is up; raise when it ends before."""
    begun = ""
    with log.open() as lines:
        while True:
            # First the code: what was said before the end is read after it.
            code = background.poll()
            *whole, begun = (begun + lines.read()).split("\n")
            for line in whole:
                if line == _LAST_LINE:
                    return
                print(line, flush=True)
            if code is not None:
                raise PlatformError(f"the background process ended with {code}; see {log}")
            time.sleep(0.1)


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Tell errors of the platform in words, without a stack trace."""
    try:
        yield
    except PlatformError as error:
        if isinstance(error, InstanceInUse):
            error.add_note(_ABOUT_INSTANCES)
        told = "\n".join((str(error), *getattr(error, "__notes__", ())))
        print(f"carthub: {told}", file=sys.stderr)
        raise typer.Exit(1) from error
