"""`carthub suspend` and `carthub resume`: hands off the children, and on again."""

import json

import typer

from carthub_operator.cli import options


def suspend(
    name: options.Name,
    namespace: options.Namespace = None,
    context: options.Context = None,
    kubeconfig: options.Kubeconfig = None,
    output: options.Output = options.Format.TEXT,
) -> None:
    """Have the operator leave all children as they are; what runs goes on running."""
    with options.connected(
        name, namespace=namespace, context=context, kubeconfig=kubeconfig
    ) as target:
        target.read()
        target.change({"spec": {"suspend": True}})
    _say(target, output, is_suspended=True)


def resume(
    name: options.Name,
    namespace: options.Namespace = None,
    context: options.Context = None,
    kubeconfig: options.Kubeconfig = None,
    output: options.Output = options.Format.TEXT,
) -> None:
    """Have the operator bring the children to the declared state again."""
    with options.connected(
        name, namespace=namespace, context=context, kubeconfig=kubeconfig
    ) as target:
        target.read()
        target.change({"spec": {"suspend": False}})
    _say(target, output, is_suspended=False)


def _say(target: options.Target, output: options.Format, *, is_suspended: bool) -> None:
    if output is options.Format.JSON:
        answer = {
            "name": target.name,
            "namespace": target.namespace,
            "suspended": is_suspended,
        }
        typer.echo(json.dumps(answer))
    elif is_suspended:
        typer.echo(
            f"{target.name} is suspended: its children stay as they are until"
            f" `carthub resume {target.name}`"
        )
    else:
        typer.echo(f"{target.name} is no longer suspended; `carthub wait {target.name}` waits")
