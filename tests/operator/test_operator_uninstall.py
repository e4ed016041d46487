"""The operator is gone and CartServices are left: all still delete, and nothing else goes."""

import subprocess
from contextlib import ExitStack

import pytest

from carthub_dev import operator_process, paths
from carthub_dev.aws import AwsServer
from carthub_dev.control_plane import ControlPlane
from carthub_dev.ledger import Ledger
from carthub_dev.operator_process import running_operator
from tests.support import markdown
from tests.support.cluster import Cluster, eventually
from tests.support.live_cart import CHILDREN, LiveCart, live_cart
from tests.support.live_operator import aws_database

# The garbage collector looks for new kinds, and so for owners of ours, every 30 s.
_COLLECTED_SECONDS = 120
_BYSTANDERS = ("ConfigMap", "ServiceAccount", "Deployment")

pytestmark = pytest.mark.timeout(300)


def test_uninstalled_it_holds_up_no_deletion(
    own_control_plane: ControlPlane, ledger: Ledger, aws_server: AwsServer
) -> None:
    plane = own_control_plane
    cluster = Cluster(plane.kubeconfig)
    stop, delete_all, delete_definition = _documented()
    with ExitStack() as stack:
        carts = [stack.enter_context(live_cart(plane)) for _ in range(3)]
        deleted, vanished, kept = carts
        kubeconfig = operator_process.install(plane)
        with running_operator(plane, ledger, kubeconfig=kubeconfig, aws=aws_server):
            for cart in carts:
                name = f"test/{cart.namespace}"
                aws_server.put_secret(name, {"username": "u", "password": "canary"})
                cart.apply(database=aws_database(name))
            for cart in carts:
                cart.wait_ready()
        for cart in carts:
            live = cart.resource()["metadata"]
            assert "finalizers" not in live
            assert not [key for key in live.get("annotations", {}) if "kopf" in key]
        # All of it; there is no node, so nothing of it runs.
        _run(cluster, "kubectl apply -k deploy/operator")
        before = {cart.namespace: _bystanders(cart) for cart in carts}

        _run(cluster, stop)
        cluster.kubectl("delete", "namespace", vanished.namespace, "--timeout=110s")
        _run(cluster, delete_all.replace("--all-namespaces", f"-n {deleted.namespace}"))
        # Takes the owner off what stays.
        orphan = ("delete", "cartservices", "--all", "--cascade=orphan", "--timeout=110s")
        cluster.kubectl(*orphan, "-n", kept.namespace)
        eventually(
            lambda: _children(deleted) == set(),
            what="its children are gone",
            timeout_seconds=_COLLECTED_SECONDS,
        )
        _run(cluster, delete_definition)

        assert _children(kept) == set(CHILDREN)
        for cart in (deleted, kept):
            assert _bystanders(cart, is_new=False) == before[cart.namespace]
        # Told of a little longer than it is there.
        eventually(
            lambda: "carthub.io" not in cluster.kubectl("api-resources", "-o", "name"),
            what="the kind is served no more",
        )


def _documented() -> list[str]:
    """Return the commands that uninstall the operator, as the documentation has them."""
    (block,) = [one for one in markdown.shell_blocks("security.md") if "delete -k" in one]
    return markdown.commands(block)


def _run(cluster: Cluster, command: str) -> None:
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=paths.REPOSITORY,
        env=cluster.environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def _children(cart: LiveCart) -> set[str]:
    return {kind for kind, name in CHILDREN.items() if cart.get(kind, name) is not None}


def _bystanders(cart: LiveCart, *, is_new: bool = True) -> dict[str, str]:
    """Return the uids of objects of somebody else, made where `is_new`."""
    labels = {"app.kubernetes.io/instance": "backend"}
    pod = {
        "metadata": {"labels": labels},
        "spec": {"containers": [{"name": "other", "image": "other:1"}]},
    }
    spec = {"replicas": 0, "selector": {"matchLabels": labels}, "template": pod}
    versions = {"Deployment": "apps/v1"}
    if is_new:
        for kind in _BYSTANDERS:
            cart.create(
                {
                    "apiVersion": versions.get(kind, "v1"),
                    "kind": kind,
                    "metadata": {"name": "bystander", "labels": labels},
                    **({"spec": spec} if kind == "Deployment" else {}),
                }
            )
    found = {kind: cart.get(kind, "bystander") for kind in _BYSTANDERS}
    return {kind: live["metadata"]["uid"] for kind, live in found.items() if live is not None}
