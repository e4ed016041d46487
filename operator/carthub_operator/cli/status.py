"""`carthub status`: one look at a CartService and all that belongs to it."""

import dataclasses
import datetime as dt
import json
from collections.abc import Iterable

import typer
from rich.console import Console
from rich.markup import escape
from rich.tree import Tree

from carthub_operator import errors, kinds
from carthub_operator.api import names
from carthub_operator.api.conditions import Type
from carthub_operator.cli import options
from carthub_operator.cli.diagnosis import Part, Report, Seen, age, parse_time, report
from carthub_operator.cli.exits import Exit
from carthub_operator.desired.children import ChildKey
from carthub_operator.desired.facts import Manifest

_MARKS = {True: "[green]✓[/]", False: "[red]✗[/]", None: "[yellow]…[/]"}
_STATUS = {"True": True, "False": False}
# What a condition's status means where True is not simply good; None is a dot, of no weight.
_MEANINGS = {
    (Type.RECONCILING, "True"): _MARKS[None],
    (Type.SUSPENDED, "True"): _MARKS[None],
    (Type.STALLED, "True"): _MARKS[False],
    (Type.RECONCILING, "False"): "[dim]·[/]",
    (Type.STALLED, "False"): "[dim]·[/]",
}
# Piped output is for grep: one line an entry, however long.
_PIPED_WIDTH = 10_000


def status(
    name: options.Name,
    namespace: options.Namespace = None,
    context: options.Context = None,
    kubeconfig: options.Kubeconfig = None,
    output: options.Output = options.Format.TEXT,
) -> None:
    """Show the resource, its children and pods, what is wrong and what to do.

    Exits with 0 when it is Ready, else with 1.
    """
    with options.connected(
        name, namespace=namespace, context=context, kubeconfig=kubeconfig
    ) as target:
        seen = _look(target)
    found = report(seen, now=dt.datetime.now(dt.UTC))
    if output is options.Format.JSON:
        typer.echo(json.dumps(dataclasses.asdict(found), indent=2))
    else:
        _print(found)
    if not found.verdict.is_ready:
        raise typer.Exit(Exit.NO)


def _look(target: options.Target) -> Seen:
    resource = target.read()
    uid = resource["metadata"]["uid"]
    selector = f"{names.LABEL_OWNER_UID}={uid}"

    def listed(kind: kinds.Kind) -> list[Manifest]:
        found = target.cluster.objects(kind, namespace=target.namespace, selector=selector)
        return sorted(found, key=lambda one: str(one["metadata"]["name"]))

    children = [one for kind in kinds.WATCHED_CHILDREN for one in listed(kind)]
    unreadable = []
    for kind, name in _named(target.name):
        try:
            found = _metadata(target, kind, name)
        except errors.Forbidden:
            unreadable.append(ChildKey(kind.name, name))
            continue
        if found is not None and _owner_uid(found) == uid:
            children.append(found)
    events = target.cluster.objects(
        kinds.EVENT, namespace=target.namespace, fields=f"regarding.uid={uid}"
    )
    return Seen(resource, children, listed(kinds.POD), list(events), unreadable)


def _named(name: str) -> tuple[tuple[kinds.Kind, str], ...]:
    """Return the children that are read by name, as not everybody may read them all."""
    return (
        (kinds.SECRET, names.database_secret(name)),
        (kinds.SERVICE_MONITOR, names.service_monitor(name)),
    )


def _metadata(target: options.Target, kind: kinds.Kind, name: str) -> Manifest | None:
    """Return a child without its contents, None also where the cluster does not know the kind.

    Raises Forbidden.
    """
    try:
        return target.cluster.metadata(kind, target.namespace, name)
    except errors.Forbidden:
        # Rights are judged first: it is the answer for a kind that nobody knows, too.
        if kind is kinds.SERVICE_MONITOR and not target.cluster.serves(kind):
            return None
        raise


def _owner_uid(live: Manifest) -> str | None:
    owner: str | None = (live["metadata"].get("labels") or {}).get(names.LABEL_OWNER_UID)
    return owner


def _print(found: Report) -> None:
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=_PIPED_WIDTH)
    mark = _MARKS[found.verdict.is_ready]
    tree = Tree(f"{mark} [bold]{found.namespace}/{found.name}[/]  {escape(found.verdict.reason)}")
    tree.add(escape(f"image   {found.image}"))
    if found.url:
        tree.add(escape(f"url     {found.url}"))
    tree.add(escape(f"secret  {_secret(found)}"))
    conditions = tree.add("conditions")
    for one in found.conditions:
        shown = _MEANINGS.get((one["type"], one["status"]), _MARKS[_STATUS.get(one["status"])])
        is_said = one["type"] != Type.READY and one["message"] == found.verdict.message
        said = one["reason"] if is_said else one["message"]
        conditions.add(f"{shown} {one['type']}: {escape(str(said))}")
    _branch(tree, "children", found.children)
    _branch(tree, "pods", found.pods)
    if found.last_event:
        tree.add(escape(f"last event  {found.last_event}"))
    console.print(tree)
    for finding in found.findings:
        console.print(f"\n[bold]What is wrong[/]  {escape(_sentence(finding.what))}")
        if finding.what_to_do:
            console.print(f"[bold]What to do[/]     {escape(finding.what_to_do)}")
    for warning in found.warnings:
        console.print(f"\n[bold]Warning[/]        {escape(_sentence(warning))}")


def _branch(tree: Tree, title: str, parts: Iterable[Part]) -> None:
    branch = tree.add(title)
    for part in parts:
        branch.add(f"{_MARKS[part.is_well]} {part.kind} {part.name}  {escape(part.state)}")
    if not branch.children:
        branch.add("none")


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _secret(found: Report) -> str:
    secret = found.secret
    if not secret["version"]:
        return f"{secret['source']}, not read yet"
    since = dt.datetime.now(dt.UTC) - parse_time(secret["changedAt"])
    return f"{secret['source']}, version {secret['version']} for {age(since.total_seconds())}"
