"""The autoscaler moves the Deployment under real load, and the operator lets it."""

from typing import Any

from tests.support.cluster import Cluster, eventually
from tests.support.shop import Load, Shop


def _replicas(cluster: Cluster) -> int:
    deployment: dict[str, Any] = (
        cluster.get("deployment", "backend-deployment", "shopping-cart") or {}
    )
    replicas: int = deployment["spec"]["replicas"]
    return replicas


def test_load_adds_pods_and_the_operator_keeps_them(backend: Cluster, shop: Shop) -> None:
    before = _replicas(backend)

    with Load(shop, threads=4, seconds=240) as load:
        raised = eventually(
            lambda: (now := _replicas(backend)) > before and now,
            what=f"more than {before} replicas under load",
            timeout_seconds=180,
        )
        # A reconcile now must not put the declared minimum back.
        backend.kubectl(
            *("annotate", "cartservice", "backend", "-n", "shopping-cart", "--overwrite"),
            f"carthub.io/sync=after-{raised}",
        )
        backend.wait_ready("backend", "shopping-cart")
        assert _replicas(backend) >= raised

    assert load.failed == []
