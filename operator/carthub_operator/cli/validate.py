"""`carthub validate`: what the API server would refuse, before it is asked."""

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from carthub_operator.api.resource import problems
from carthub_operator.cli import files, options
from carthub_operator.cli.exits import Exit
from carthub_operator.edges import kubeconfig as kubeconfigs
from carthub_operator.errors import Rejected


def validate(
    file: options.File,
    *,
    server: Annotated[
        bool, typer.Option("--server", help="Ask the API server too; nothing is changed.")
    ] = False,
    namespace: options.Namespace = None,
    context: options.Context = None,
    kubeconfig: options.Kubeconfig = None,
    output: options.Output = options.Format.TEXT,
) -> None:
    """Judge the CartServices of a file by schema and rules; --server asks the API server too.

    Names every field that is wrong or unknown. Without --server no cluster is needed.
    """
    given = files.cart_services(file)
    found = list(zip(_labels(given), map(problems, given), strict=True))
    if server:
        with options.cluster_of(kubeconfig, context) as cluster:
            path = options.kubeconfig_path(kubeconfig)
            usual = namespace or kubeconfigs.namespace(path, context)
            for raw, (_, wrong) in zip(given, found, strict=True):
                placed = {**raw, "metadata": {"namespace": usual, **(raw.get("metadata") or {})}}
                try:
                    cluster.judge(placed, field_manager=options.FIELD_MANAGER)
                except Rejected as error:
                    wrong.append(str(error))
    _say(file, found, output)
    if any(wrong for _, wrong in found):
        raise typer.Exit(Exit.NO)


def _labels(given: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what each is called: its name, with the namespace where two have the same."""
    metadata = [raw.get("metadata") or {} for raw in given]
    names = [str(one.get("name", "without a name")) for one in metadata]
    return [
        f"{one['namespace']}/{name}" if names.count(name) > 1 and one.get("namespace") else name
        for one, name in zip(metadata, names, strict=True)
    ]


def _say(file: str, found: Sequence[tuple[str, list[str]]], output: options.Format) -> None:
    if output is options.Format.JSON:
        answer = [{"name": name, "valid": not wrong, "problems": wrong} for name, wrong in found]
        typer.echo(json.dumps(answer, indent=2))
        return
    for name, wrong in found:
        if not wrong:
            typer.echo(f"{file}: {name} is valid")
        for problem in wrong:
            typer.echo(f"{file}: {name}: {problem}", err=True)
