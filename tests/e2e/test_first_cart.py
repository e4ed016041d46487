"""One CartService on real nodes: served, changed, healed, kept secret, and removed."""

import json
import secrets
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.cluster import Cluster, eventually
from tests.support.shop import Shop

NAMESPACE = "shopping-cart"
CHILDREN = {
    ("Deployment", "backend-deployment"),
    ("HorizontalPodAutoscaler", "backend-hpa"),
    ("NetworkPolicy", "backend-network-policy"),
    ("PodDisruptionBudget", "backend-pdb"),
    ("Secret", "backend-db"),
    ("Service", "backend-service"),
    ("ServiceAccount", "backend"),
}
KINDS = (
    "deployments,services,horizontalpodautoscalers,networkpolicies,poddisruptionbudgets,"
    "serviceaccounts,secrets,jobs"
)
API_PODS = "app.kubernetes.io/instance=backend,app.kubernetes.io/component=api"


def _patch(cluster: Cluster, spec: dict[str, Any], name: str = "backend") -> None:
    patch = json.dumps({"spec": spec})
    cluster.kubectl("patch", "cartservice", name, "-n", NAMESPACE, "--type=merge", "-p", patch)


def _described_secret(cluster: Cluster, secret_id: str) -> str | None:
    """Return what describe shows of `late` once it says more of the secret than the spec does."""
    text = cluster.kubectl("describe", "cartservice", "late", "-n", NAMESPACE)
    return text if text.count(secret_id) > 1 else None


def _described(cluster: Cluster) -> str | None:
    """Return what describe shows of all namespaces, None where a pod ends meanwhile."""
    done = cluster.run("describe", "cartservices,pods,deployments", "-A")
    return done.stdout if done.returncode == 0 else None


def _owned(cluster: Cluster, name: str) -> set[tuple[str, str]]:
    return {
        (item["kind"], item["metadata"]["name"])
        for item in cluster.items(KINDS, NAMESPACE)
        if any(o["name"] == name for o in item["metadata"].get("ownerReferences", []))
    }


def test_every_child_exists_and_the_namespace_is_restricted(backend: Cluster) -> None:
    namespace = json.loads(backend.kubectl("get", "namespace", NAMESPACE, "-o", "json"))
    level = namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"]

    assert level == "restricted"
    assert _owned(backend, "backend") >= CHILDREN


def test_a_cart_is_filled_and_checked_out_through_the_service(shop: Shop) -> None:
    # Others buy here too.
    customer = f"anna-{secrets.token_hex(4)}"
    shop.add(customer, "tea", price="4.50", quantity=2)
    cart = shop.add(customer, "cup", price="12.00")
    assert cart["total"] == "21.00"

    status, order = shop.call("POST", "/api/v1/cart/checkout", {"customer_id": customer})
    assert (status, order["total"], order["item_count"]) == (201, "21.00", 3)

    status, again = shop.call("POST", "/api/v1/cart/checkout", {"customer_id": customer})
    assert (status, again["code"], again["last_order_id"]) == (409, "cart-empty", order["order_id"])


def test_a_changed_image_replica_bound_and_log_level_reach_the_pods(
    backend: Cluster, shop: Shop, second_image: str
) -> None:
    _patch(
        backend,
        {
            "image": second_image,
            "logLevel": "DEBUG",
            "autoscaling": {"minReplicas": 3, "maxReplicas": 4},
        },
    )
    backend.wait_ready("backend", NAMESPACE)

    def changed() -> bool:
        pods = [
            pod
            for pod in backend.items("pods", NAMESPACE, selector=API_PODS)
            if "deletionTimestamp" not in pod["metadata"] and pod["status"]["phase"] == "Running"
        ]
        containers = [pod["spec"]["containers"][0] for pod in pods]
        return len(pods) >= 3 and all(
            c["image"] == second_image and {"name": "LOG_LEVEL", "value": "DEBUG"} in c["env"]
            for c in containers
        )

    eventually(changed, what="three pods of the second image with LOG_LEVEL=DEBUG")
    autoscaler = backend.get("hpa", "backend-hpa", NAMESPACE) or {}
    assert (autoscaler["spec"]["minReplicas"], autoscaler["spec"]["maxReplicas"]) == (3, 4)
    status, _ = shop.call("GET", "/api/v1/cart/anna")
    assert status == 200


@pytest.mark.parametrize(
    ("kind", "name"), sorted(CHILDREN), ids=[kind for kind, _ in sorted(CHILDREN)]
)
def test_a_deleted_child_comes_back(backend: Cluster, kind: str, name: str) -> None:
    before = backend.get(kind, name, NAMESPACE) or {}
    backend.kubectl("delete", kind, name, "-n", NAMESPACE, "--wait=false")

    def renewed() -> bool:
        now = backend.get(kind, name, NAMESPACE)
        return now is not None and now["metadata"]["uid"] != before["metadata"]["uid"]

    eventually(renewed, what=f"{kind} {name} restored")
    backend.wait_ready("backend", NAMESPACE)


def test_a_child_edited_by_hand_is_put_right(backend: Cluster) -> None:
    patch = json.dumps({"spec": {"ports": [{"name": "http", "port": 80, "targetPort": 1}]}})
    backend.kubectl(
        *("patch", "service", "backend-service", "-n", NAMESPACE, "--type=merge", "-p", patch)
    )

    def right() -> bool:
        service = backend.get("service", "backend-service", NAMESPACE) or {}
        return bool(service["spec"]["ports"][0]["targetPort"] != 1)

    eventually(right, what="the Service's target port put back")


def test_the_password_is_shown_nowhere(backend: Cluster, database_password: str) -> None:
    everything = [
        backend.kubectl("get", "cartservices,events,pods,deployments,jobs", "-A", "-o", "json"),
        eventually(lambda: _described(backend), what="a description of all"),
        backend.kubectl(
            *("logs", "-n", "carthub-system", "--tail=-1"),
            *("-l", "app.kubernetes.io/name=carthub-operator", "--prefix"),
        ),
    ]
    for pod in backend.items("pods", NAMESPACE, selector="app.kubernetes.io/instance=backend"):
        name = pod["metadata"]["name"]
        everything.append(backend.run("logs", name, "-n", NAMESPACE, "--tail=-1").stdout)

    assert all(text.strip() for text in everything[:3])
    assert [text for text in everything if database_password in text] == []


def test_a_bad_field_is_refused_with_what_to_do(backend: Cluster) -> None:
    done = backend.run(
        *("patch", "cartservice", "backend", "-n", NAMESPACE, "--type=merge"),
        *("-p", json.dumps({"spec": {"autoscaling": {"minReplicas": 9, "maxReplicas": 4}}})),
    )

    assert done.returncode != 0
    assert "minReplicas" in done.stderr
    assert "maxReplicas" in done.stderr


def test_a_missing_secret_is_told_and_the_resource_becomes_ready_once_it_appears(
    backend: Cluster,
    put_database_secret: Callable[[str], None],
    service_image: str,
) -> None:
    credentials = {"secretsManager": {"secretId": "prod/carthub/later", "region": "eu-west-1"}}
    backend.apply(
        {
            "apiVersion": "carthub.io/v1",
            "kind": "CartService",
            "metadata": {"name": "late", "namespace": NAMESPACE},
            "spec": {
                "image": service_image,
                "autoscaling": {"enabled": False},
                "replicas": 1,
                "database": {"credentials": {**credentials}},
            },
        }
    )
    described = eventually(
        lambda: _described_secret(backend, "prod/carthub/later"),
        what="kubectl describe that names the missing secret in a condition or an event",
    )
    assert "SecretNotFound" in described

    put_database_secret("prod/carthub/later")
    backend.wait_ready("late", NAMESPACE)

    backend.kubectl("delete", "cartservice", "late", "-n", NAMESPACE)
    eventually(
        lambda: (
            not _owned(backend, "late")
            and not backend.items("pods", NAMESPACE, selector="app.kubernetes.io/instance=late")
        ),
        what="every child of the deleted CartService gone",
    )
