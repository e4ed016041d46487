"""Who decides the number of pods, on a real API server."""

from carthub_dev.operator_process import OperatorProcess
from tests.support.live_cart import LiveCart
from tests.support.live_operator import settle, writes


def test_the_autoscaler_is_not_fought(ready: LiveCart, operator: OperatorProcess) -> None:
    start = operator.plane.audit_mark()

    ready.patch("Deployment", "backend-deployment", {"spec": {"replicas": 6}}, subresource="/scale")
    ready.eventually(
        lambda: ready.resource()["status"]["readyReplicas"] == 6, what="six ready pods"
    )
    settle(operator)

    assert ready.child("Deployment")["spec"]["replicas"] == 6
    assert {one.resource for one in writes(operator.plane, start, ready.namespace)} <= {
        "cartservices"
    }
    assert ready.condition("Ready")["status"] == "True"


def test_without_autoscaling_the_spec_decides_the_replicas(ready: LiveCart) -> None:
    ready.patch(
        "CartService", "backend", {"spec": {"autoscaling": {"enabled": False}, "replicas": 3}}
    )

    def replicas() -> object:
        return ready.child("Deployment")["spec"]["replicas"]

    ready.eventually(lambda: replicas() == 3, what="three replicas")
    ready.eventually(
        lambda: ready.get("HorizontalPodAutoscaler", "backend-hpa") is None, what="no autoscaler"
    )
    ready.patch("Deployment", "backend-deployment", {"spec": {"replicas": 1}}, subresource="/scale")
    ready.eventually(lambda: replicas() == 3, what="three replicas again")

    # On again: no jump.
    ready.patch("CartService", "backend", {"spec": {"autoscaling": {"enabled": True}}})
    ready.eventually(
        lambda: ready.get("HorizontalPodAutoscaler", "backend-hpa"), what="the autoscaler again"
    )
    assert replicas() == 3


def test_an_autoscaler_that_is_switched_on_over_no_pods_starts_some(ready: LiveCart) -> None:
    """So docs/backup.md has it of a move; the autoscaler itself leaves 0 alone."""

    def replicas() -> object:
        return ready.child("Deployment")["spec"]["replicas"]

    ready.patch(
        "CartService", "backend", {"spec": {"autoscaling": {"enabled": False}, "replicas": 0}}
    )
    ready.eventually(lambda: replicas() == 0, what="no replicas")

    ready.patch(
        "CartService", "backend", {"spec": {"autoscaling": {"enabled": True}, "replicas": None}}
    )

    ready.eventually(lambda: replicas() == 2, what="the fewest replicas")
    ready.eventually(lambda: ready.condition("Ready").get("status") == "True", what="Ready")


def test_zero_by_hand_under_the_autoscaler_is_left_alone_and_not_ready(
    ready: LiveCart, operator: OperatorProcess
) -> None:
    ready.patch("Deployment", "backend-deployment", {"spec": {"replicas": 0}}, subresource="/scale")

    ready.eventually(lambda: ready.condition("Ready").get("status") == "False", what="not Ready")
    settle(operator)

    assert ready.child("Deployment")["spec"]["replicas"] == 0
    assert "Somebody has scaled it to 0 pods" in ready.condition("Ready")["message"]
