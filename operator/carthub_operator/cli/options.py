"""The options that commands share, and the cluster that they name."""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from carthub_operator import kinds
from carthub_operator.api import names
from carthub_operator.desired.facts import Manifest
from carthub_operator.edges import kubeconfig as kubeconfigs
from carthub_operator.edges.api_server import Timeouts
from carthub_operator.edges.kubernetes import KubernetesCluster
from carthub_operator.errors import CarthubError, NotFound

# Who changed a field, as `managedFields` shows it.
FIELD_MANAGER = "carthub-cli"

# Who presses TAB waits for it.
_TAB_TIMEOUTS = Timeouts(connect_seconds=1.0, read_seconds=2.0)


def _known_names(asked: typer.Context) -> list[str]:
    """Return the CartServices that a name may be completed to, none where that cannot be asked."""
    kubeconfig, context = asked.params.get("kubeconfig"), asked.params.get("context")
    try:
        with cluster_of(kubeconfig, context, timeouts=_TAB_TIMEOUTS) as cluster:
            usual = kubeconfigs.namespace(kubeconfig_path(kubeconfig), context)
            chosen = asked.params.get("namespace") or usual
            found = cluster.objects(kinds.CART_SERVICE, namespace=chosen)
            return sorted(str(one["metadata"]["name"]) for one in found)
    except CarthubError:
        return []


Name = Annotated[
    str,
    typer.Argument(metavar="NAME", help="The CartService.", autocompletion=_known_names),
]
Namespace = Annotated[
    str | None, typer.Option("--namespace", "-n", help="Its namespace; else the context's.")
]
Context = Annotated[str | None, typer.Option(help="The kubeconfig's context; else its current.")]
Kubeconfig = Annotated[
    str | None,
    typer.Option(envvar="KUBECONFIG", help="The kubeconfig; else ~/.kube/config."),
]
File = Annotated[
    str, typer.Option("--file", "-f", metavar="FILE", help="YAML or JSON; - reads standard input.")
]
# Their values are completed to names of files.
TAKING_FILES = frozenset({"--file", "-f", "--kubeconfig"})


class Format(StrEnum):
    """How a command prints what it found."""

    TEXT = "text"
    JSON = "json"


Output = Annotated[Format, typer.Option("--output", "-o", help="How to print it.")]


@dataclass(frozen=True)
class Target:
    """One CartService in one cluster."""

    cluster: KubernetesCluster
    namespace: str
    name: str

    def read(self) -> Manifest:
        """Return the resource as it is now; raises NotFound that says where it was looked for."""
        found = self.cluster.get(kinds.CART_SERVICE, self.namespace, self.name)
        if found is None:
            raise NotFound(
                f"there is no CartService {self.name} in namespace {self.namespace}:"
                " `kubectl get cartservices -A` lists all"
            )
        return found

    def change(self, change: Manifest) -> Manifest:
        """Merge a change into the resource and return it."""
        return self.cluster.change(
            kinds.CART_SERVICE, self.namespace, self.name, change, field_manager=FIELD_MANAGER
        )


@contextlib.contextmanager
def connected(
    name: str, *, namespace: str | None, context: str | None, kubeconfig: str | None
) -> Iterator[Target]:
    """Lend the CartService that the options name; nothing is asked yet."""
    with cluster_of(kubeconfig, context) as cluster:
        chosen = namespace or kubeconfigs.namespace(kubeconfig_path(kubeconfig), context)
        yield Target(cluster, chosen, name)


@contextlib.contextmanager
def cluster_of(
    kubeconfig: str | None, context: str | None, *, timeouts: Timeouts | None = None
) -> Iterator[KubernetesCluster]:
    """Lend the cluster that the options name."""
    cluster = KubernetesCluster(
        kubeconfig_path(kubeconfig),
        pool_size=1,
        on_call=lambda *_: None,
        timeouts=timeouts,
        context=context,
        user_agent=f"{FIELD_MANAGER} ({names.GROUP})",
    )
    try:
        yield cluster
    finally:
        cluster.close()


def kubeconfig_path(given: str | None) -> str | None:
    """Return where the kubeconfig is; None in a pod that has none, whose own identity counts."""
    if given:
        return given
    usual = Path.home() / ".kube" / "config"
    if not usual.exists() and "KUBERNETES_SERVICE_HOST" in os.environ:
        return None
    return str(usual)
