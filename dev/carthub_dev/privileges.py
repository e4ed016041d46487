"""Who may start nodes; needs nothing but Python, so that `make` asks before it sets anything up."""

import os
import sys

from carthub_dev.errors import NotPermitted

OWN_CLUSTER = (
    "a cluster you have: KUBECONFIG=... kubectl apply --server-side -f crds/ && "
    "kubectl apply -k deploy/operator (docs/platform.md, Without root)"
)


def refuse_without_root(
    what: str = "the embedded platform", way_out: str = f"use `sudo make run`, or {OWN_CLUSTER}"
) -> None:
    """Raise NotPermitted, with the way out, where no node can run and no image be built."""
    if sys.platform != "linux" or os.geteuid() != 0:
        raise NotPermitted(f"{what} needs root on Linux: {way_out}")


if __name__ == "__main__":
    try:
        refuse_without_root()
    except NotPermitted as error:
        sys.exit(f"carthub: {error}")
