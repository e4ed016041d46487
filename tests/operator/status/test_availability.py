"""How many pods must serve for a CartService to be available, and to be Ready."""

from carthub_operator.status.report import status_for
from tests.support.resources import cart_service, deployment, observation
from tests.support.statuses import NOW, reasons


def test_pods_that_the_autoscaler_adds_do_not_end_ready() -> None:
    live = deployment(replicas=4, available=2, progressing="NewReplicaSetAvailable")

    told = reasons(status_for(cart_service(), observation(deployment=live), now=NOW))

    assert told["Ready"] == ("True", "Ready")
    assert told["DeploymentAvailable"] == ("True", "Available")


def test_a_pod_that_a_drain_takes_does_not_end_ready() -> None:
    live = deployment(replicas=2, available=1, progressing="NewReplicaSetAvailable")

    assert reasons(status_for(cart_service(), observation(deployment=live), now=NOW))["Ready"] == (
        "True",
        "Ready",
    )


def test_fewer_pods_than_the_spec_and_its_budget_allow_end_ready() -> None:
    live = deployment(replicas=5, available=2, progressing="NewReplicaSetAvailable")
    resource = cart_service(autoscaling={"minReplicas": 4})

    told = reasons(status_for(resource, observation(deployment=live), now=NOW))

    assert told["DeploymentAvailable"] == ("False", "Unavailable")
    assert told["Ready"] == ("False", "Unavailable")
    assert told["Reconciling"] == ("True", "Unavailable")


def test_a_backend_without_any_pod_is_not_available() -> None:
    live = deployment(replicas=1, available=0, progressing="NewReplicaSetAvailable")
    resource = cart_service(autoscaling={"minReplicas": 1})

    told = reasons(status_for(resource, observation(deployment=live), now=NOW))

    assert told["DeploymentAvailable"] == ("False", "Unavailable")


def test_a_backend_that_is_scaled_to_nothing_is_as_declared() -> None:
    resource = cart_service(autoscaling={"enabled": False}, replicas=0)

    told = reasons(status_for(resource, observation(deployment=deployment(replicas=0)), now=NOW))

    assert told["Ready"] == ("True", "Ready")


def test_a_backend_that_somebody_scaled_to_nothing_under_the_autoscaler_is_told_as_that() -> None:
    disabled = {"type": "ScalingActive", "status": "False", "reason": "ScalingDisabled"}
    seen = observation(
        deployment=deployment(replicas=0), autoscaler={"status": {"conditions": [disabled]}}
    )

    status = status_for(cart_service(), seen, now=NOW)

    told = reasons(status)
    for kind in ("Ready", "DeploymentAvailable", "AutoscalingReady"):
        assert told[kind] == ("False", "Unavailable")
    (ready,) = (one for one in status["conditions"] if one["type"] == "Ready")
    assert "kubectl scale deployment backend-deployment --replicas=2" in ready["message"]
