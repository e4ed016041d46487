"""What Git holds stays what the cluster holds: nothing for a GitOps tool to put right.

The operator writes into the status alone, and the autoscaler scales the Deployment, not the
CartService: neither a rollout, nor a rotation, nor a scaling is a difference.
"""

import json
from collections.abc import Iterator

import pytest
import yaml

from carthub_dev import paths
from carthub_dev.aws import AwsServer
from carthub_dev.control_plane import ControlPlane
from carthub_dev.ledger import Ledger
from tests.support.cluster import Cluster, eventually
from tests.support.fault_stage import Stage, fault_stage
from tests.support.live_cart import LiveCart, Object
from tests.support.live_operator import INTERVAL

# How a tool applies, and how it looks for a difference then. Argo CD's name as a field manager;
# Flux's is kustomize-controller.
_WAYS = {"client-side": (), "server-side": ("--server-side", "--field-manager=argocd-controller")}


@pytest.fixture
def stage(control_plane: ControlPlane, ledger: Ledger, aws_server: AwsServer) -> Iterator[Stage]:
    with fault_stage(control_plane, ledger, aws_server) as made:
        yield made


@pytest.fixture
def cluster(control_plane: ControlPlane) -> Cluster:
    return Cluster(control_plane.kubeconfig)


def _in_git(example: str, stage: Stage) -> Object:
    """Return an example as a team would have it, with its secret where the test may read it."""
    text = (paths.REPOSITORY / "examples" / f"{example}.yaml").read_text()
    manifest: Object = yaml.safe_load(text)
    manifest["metadata"]["namespace"] = stage.cart.namespace
    source = manifest["spec"]["database"]["credentials"]["secretsManager"]
    source |= {"secretId": stage.secret_id, "refreshInterval": INTERVAL}
    manifest["spec"]["database"].setdefault("host", "db.example.com")
    return manifest


def _difference(cluster: Cluster, cart: LiveCart, manifest: Object, way: str) -> str:
    """Return what `kubectl diff` finds, empty for nothing.

    It reads the object, then asks what applying would make of it: a status that is written in
    between is no difference, so the object must be the same before and after.
    """

    def found() -> tuple[str] | None:
        version = cart.resource()["metadata"]["resourceVersion"]
        done = cluster.run("diff", *_WAYS[way], "-f", "-", stdin=json.dumps(manifest))
        assert done.returncode in {0, 1}, done.stderr
        is_same = cart.resource()["metadata"]["resourceVersion"] == version
        return (done.stdout,) if is_same else None

    (difference,) = eventually(found, what="a CartService that is not written meanwhile")
    return difference


@pytest.mark.parametrize(
    ("example", "way"), [("minimal", "client-side"), ("production", "server-side")]
)
def test_nothing_ever_differs_from_git(
    stage: Stage, cluster: Cluster, example: str, way: str
) -> None:
    cart, manifest = stage.cart, _in_git(example, stage)
    found: dict[str, str] = {}

    cluster.kubectl("apply", *_WAYS[way], "-f", "-", stdin=json.dumps(manifest))
    found["applied"] = _difference(cluster, cart, manifest, way)
    cart.wait_ready()
    found["ready"] = _difference(cluster, cart, manifest, way)
    for pods in (6, 3):
        scale = {"spec": {"replicas": pods}}
        cart.patch("Deployment", "backend-deployment", scale, subresource="/scale")
        cart.eventually(
            lambda: cart.resource()["status"]["readyReplicas"] == pods,  # noqa: B023 - used in this round only
            what=f"{pods} pods",
        )
        found[f"{pods} pods"] = _difference(cluster, cart, manifest, way)
    stage.rotate()
    cart.eventually(stage.has_rotated, what="the new password rolled out")
    found["rotated"] = _difference(cluster, cart, manifest, way)

    assert found == dict.fromkeys(found, "")
    assert cart.resource()["metadata"]["generation"] == 1
    assert cart.child("Deployment")["spec"]["replicas"] == 3
    manifest["spec"]["image"] += "-other"
    assert "-other" in _difference(cluster, cart, manifest, way)
