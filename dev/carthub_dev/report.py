"""What a person reads once the platform is up."""

import shlex
import shutil

from rich.console import Console
from rich.table import Table

from carthub_dev import manifests, session, toolchain
from carthub_dev.demonstration import Shown
from carthub_dev.session import Presented

_HERE = f"--namespace {manifests.NAMESPACE}"
_KIND = f"cartservice {manifests.NAME}"
_MORE = """'{"spec":{"autoscaling":{"minReplicas":3}}}'"""


def present(console: Console, presented: Presented) -> None:
    """Print the resource, the cart and the order, where to look, and what to try."""
    state, shown = presented.state, presented.shown
    console.print(f"\n$ kubectl get cartservice {_HERE}", markup=False)
    console.print(shown.resource.rstrip(), markup=False)
    console.print(_cart(shown))
    order = shown.order
    console.print(
        f"Checked out: order {order['order_id']}, {order['item_count']} items, {_total(order)}\n",
        markup=False,
    )
    for line in (
        f"Swagger UI   {state.docs}/docs",
        f"ReDoc        {state.docs}/redoc",
        f"Cart API     {state.service} (the Service itself, from this machine and from pods)",
        "",
        "In another terminal:",
        f"  export KUBECONFIG={shlex.quote(state.kubeconfig)}",
        *_kubectl_hint(),
        "",
        "Three things to try:",
        f"  scale it                 kubectl patch {_KIND} {_HERE} --type merge --patch {_MORE}",
        f"  rotate the password      {session.command('rotate', state.instance)}",
        f"  break it by hand         kubectl delete deployment {manifests.NAME}-deployment {_HERE}",
        "and to watch what follows:",
        f"                           kubectl get pods {_HERE} --watch",
        "",
    ):
        console.print(line, markup=False)


def _cart(shown: Shown) -> Table:
    cart = shown.cart
    table = Table(title=f"Cart of {cart['customer_id']}", title_justify="left", box=None)
    for name in ("product", "name"):
        table.add_column(name)
    for name in ("quantity", "price", "total"):
        table.add_column(name, justify="right")
    for item in cart["items"]:
        table.add_row(
            str(item["product_id"]),
            str(item.get("name", "")),
            str(item["quantity"]),
            str(item["unit_price"]),
            str(item.get("line_total", "")),
        )
    table.add_row("", "", "", "", _total(cart), style="bold")
    return table


def _total(amount: dict[str, object]) -> str:
    return f"{amount['total']} {amount.get('currency') or ''}".strip()


def _kubectl_hint() -> list[str]:
    if shutil.which("kubectl"):
        return []
    return [f"  export PATH={shlex.quote(str(toolchain.kubectl().parent))}:$PATH"]
