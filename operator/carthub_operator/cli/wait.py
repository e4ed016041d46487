"""`carthub wait`: until the CartService is Ready, or sure not to become it."""

import json
import time
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from carthub_operator.api.conditions import Type
from carthub_operator.api.durations import parsed
from carthub_operator.cli import options
from carthub_operator.cli.exits import Exit
from carthub_operator.cli.verdict import Verdict, verdict
from carthub_operator.errors import ClusterUnavailable

_POLL_SECONDS = 1.0


def wait(
    name: options.Name,
    timeout: Annotated[
        str, typer.Option(help="How long at most, such as 90s, 10m or 1h.", metavar="DURATION")
    ] = "10m",
    namespace: options.Namespace = None,
    context: options.Context = None,
    kubeconfig: options.Kubeconfig = None,
    output: options.Output = options.Format.TEXT,
) -> None:
    """Wait until the spec as it is now is Ready.

    Ends early when somebody has to act, with the reason: `kubectl wait` cannot do that.
    """
    try:
        timeout_seconds = parsed(timeout)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--timeout") from None
    deadline = time.monotonic() + timeout_seconds
    told = ""
    with options.connected(
        name, namespace=namespace, context=context, kubeconfig=kubeconfig
    ) as target:
        while True:
            raw = _read(target, until=deadline)
            found = verdict(raw)
            if found.is_final or time.monotonic() >= deadline:
                break
            if output is options.Format.TEXT and found.message != told:
                told = found.message
                typer.echo(f"{name}: {told}", err=True)
            time.sleep(min(_POLL_SECONDS, max(0.0, deadline - time.monotonic())))
    _say(name, found, raw, output, timeout)
    if found.is_ready:
        return
    raise typer.Exit(Exit.NO if found.is_final else Exit.NOT_IN_TIME)


def _read(target: options.Target, *, until: float) -> Mapping[str, Any]:
    """Return the resource; an API server that is away for a while ends no pipeline."""
    while True:
        try:
            return target.read()
        except ClusterUnavailable:
            if time.monotonic() >= until:
                raise
            time.sleep(_POLL_SECONDS)


def _say(
    name: str,
    found: Verdict,
    raw: Mapping[str, Any],
    output: options.Format,
    timeout: str,
) -> None:
    if output is options.Format.JSON:
        answer = {
            "name": name,
            "namespace": raw["metadata"]["namespace"],
            "generation": raw["metadata"]["generation"],
            "ready": found.is_ready,
            "final": found.is_final,
            "reason": found.reason,
            "message": found.message,
        }
        typer.echo(json.dumps(answer, indent=2))
    elif found.is_ready:
        typer.echo(f"{name} is {Type.READY}: {found.message}")
    elif found.is_final:
        typer.echo(f"{name} stalls ({found.reason}): {found.message}", err=True)
    else:
        typer.echo(f"{name} is not Ready after {timeout}: {found.message}", err=True)
