"""The policy that keeps a protected CartService, in effect for a while.

Without it a namespace that is being deleted may take its CartServices first or last; with it a
CartService stays as it is while all around it goes.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from carthub_dev import paths
from carthub_dev.kubectl import Kubectl, KubectlFailed
from tests.support.cluster import eventually
from tests.support.live_cart import LiveCart

# What the chart renders, word for word: tests/charts keeps the two equal.
_POLICY = paths.REPOSITORY / "deploy" / "operator" / "protection.yaml"


@contextmanager
def protected(kubectl: Kubectl, cart: LiveCart) -> Iterator[None]:
    """Protect the CartService `backend`; it must be there."""
    kubectl("apply", "--filename", str(_POLICY))
    try:
        annotate(cart, "true")
        eventually(
            lambda: "is protected" in refusal(kubectl, cart, "--dry-run=server"),
            what="the policy is in effect",
        )
        yield
    finally:
        # Before the policy: an API server may go on with that for a moment.
        if cart.get("CartService", "backend") is not None:
            annotate(cart, None)
        kubectl("delete", "--filename", str(_POLICY))


def annotate(cart: LiveCart, value: str | None) -> None:
    """Give the CartService the annotation that protects it, or take it off."""
    cart.patch(
        "CartService", "backend", {"metadata": {"annotations": {"carthub.io/protect": value}}}
    )


def refusal(kubectl: Kubectl, cart: LiveCart, *options: str) -> str:
    """Delete the CartService; return why that was refused, or nothing."""
    try:
        kubectl("delete", "cartservice", "backend", "-n", cart.namespace, *options)
    except KubectlFailed as refused:
        return refused.said
    return ""
