"""`carthub sync`: look at the secret now, not at the next interval."""

import datetime as dt
import json

import typer

from carthub_operator.api import names
from carthub_operator.cli import options


def sync(
    name: options.Name,
    namespace: options.Namespace = None,
    context: options.Context = None,
    kubeconfig: options.Kubeconfig = None,
    output: options.Output = options.Format.TEXT,
) -> None:
    """Have the operator read the database secret at once."""
    with options.connected(
        name, namespace=namespace, context=context, kubeconfig=kubeconfig
    ) as target:
        target.read()
        # Any new value will do; the time tells the next person when it was asked for.
        asked = dt.datetime.now(dt.UTC).isoformat(timespec="microseconds")
        target.change({"metadata": {"annotations": {names.ANNOTATION_SYNC: asked}}})
    if output is options.Format.JSON:
        typer.echo(json.dumps({"name": name, "namespace": target.namespace, "asked": asked}))
    else:
        typer.echo(f"{name}: the operator reads the secret now; `carthub status {name}` shows it")
