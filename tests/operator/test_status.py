from typing import Any

import pytest

from carthub_operator import errors
from carthub_operator.api.conditions import Reason
from carthub_operator.desired.facts import MigrationState
from carthub_operator.status import Observation, SecretState, status_for, status_for_invalid
from tests.support.resources import cart_service, deployment, observation

NOW = "2026-01-02T03:04:05Z"
LATER = "2026-01-02T04:00:00Z"


def _told(status: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {c["type"]: (c["status"], c["reason"]) for c in status["conditions"]}


def _kstatus(status: dict[str, Any], generation: int) -> str:
    """The verdict of kstatus for a resource with these conditions."""
    told = _told(status)
    if status.get("observedGeneration") != generation:
        return "InProgress"
    if told["Stalled"][0] == "True":
        return "Failed"
    if told["Reconciling"][0] == "True" or told["Ready"][0] != "True":
        return "InProgress"
    return "Current"


def test_a_resource_as_declared_is_ready() -> None:
    status = status_for(cart_service(generation=3), observation(), now=NOW)

    assert _told(status) == {
        "SecretSynced": ("True", "Synced"),
        "DeploymentAvailable": ("True", "Available"),
        "MigrationSucceeded": ("True", "Migrated"),
        "AutoscalingReady": ("True", "Scaling"),
        "Ready": ("True", "Ready"),
        "Reconciling": ("False", "Idle"),
        "Stalled": ("False", "Idle"),
    }
    assert status["observedGeneration"] == 3
    assert {c["observedGeneration"] for c in status["conditions"]} == {3}
    assert (status["replicas"], status["readyReplicas"]) == (2, 2)
    assert status["url"] == "http://backend-service.shopping-cart.svc"
    assert status["database"] == {"secretVersionId": "v1", "secretChangedAt": NOW}
    assert _kstatus(status, 3) == "Current"


def test_an_unchanged_resource_has_an_unchanged_status() -> None:
    first = status_for(cart_service(), observation(), now=NOW)

    again = status_for(cart_service(status=first), observation(), now=LATER)

    assert again == first


def test_a_transition_time_moves_with_its_own_status_only() -> None:
    first = status_for(cart_service(), observation(), now=NOW)
    rolling = observation(deployment=deployment(updated=1, available=2))

    second = status_for(cart_service(status=first), rolling, now=LATER)

    times = {c["type"]: c["lastTransitionTime"] for c in second["conditions"]}
    assert times["Ready"] == LATER
    assert times["SecretSynced"] == NOW


@pytest.mark.parametrize(
    ("seen", "reason", "verdict"),
    [
        (
            observation(
                secret=SecretState(
                    is_synced=False, reason=Reason.SECRET_NOT_FOUND, message="not found"
                ),
                credentials=None,
                deployment=None,
                migration=MigrationState.NOT_STARTED,
            ),
            "SecretNotFound",
            "Failed",
        ),
        (
            observation(
                secret=SecretState(is_synced=False, reason=Reason.PENDING, message="asking"),
                credentials=None,
                deployment=None,
                migration=MigrationState.NOT_STARTED,
            ),
            "Pending",
            "InProgress",
        ),
        (observation(migration=MigrationState.RUNNING), "Migrating", "InProgress"),
        (observation(migration=MigrationState.FAILED), "MigrationFailed", "Failed"),
        (observation(deployment=None), "NotCreated", "InProgress"),
        (observation(deployment=deployment(updated=1)), "RollingOut", "InProgress"),
        (observation(problem=errors.Conflict("taken")), "NameConflict", "Failed"),
        (
            observation(problem=errors.ClusterUnavailable("away")),
            "ClusterUnavailable",
            "InProgress",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_holds_a_resource_back_is_told(seen: Observation, reason: str, verdict: str) -> None:
    status = status_for(cart_service(generation=2), seen, now=NOW)

    assert _told(status)["Ready"] == ("False", reason)
    assert _kstatus(status, 2) == verdict


def test_a_failed_migration_says_that_the_old_version_serves() -> None:
    seen = observation(migration=MigrationState.FAILED, migration_message="relation exists")

    status = status_for(cart_service(), seen, now=NOW)

    told = {c["type"]: c for c in status["conditions"]}
    assert told["DeploymentAvailable"]["status"] == "True"
    assert "relation exists" in told["MigrationSucceeded"]["message"]
    assert "goes on serving" in told["MigrationSucceeded"]["message"]


def test_pods_that_the_autoscaler_adds_are_no_rollout() -> None:
    live = deployment(replicas=4, updated=4, available=2)
    live["status"]["conditions"][1]["reason"] = "NewReplicaSetAvailable"

    status = status_for(cart_service(), observation(deployment=live), now=NOW)

    assert _told(status)["Ready"] == ("True", "Ready")


@pytest.mark.parametrize(
    ("waiting", "reason", "words"),
    [
        ("ImagePullBackOff", "ImagePullFailed", "correct spec.image"),
        ("CrashLoopBackOff", "CrashLoop", "kubectl logs backend-deployment-1 --previous"),
    ],
)
def test_a_pod_that_cannot_start_is_told_at_once(waiting: str, reason: str, words: str) -> None:
    pod = {
        "metadata": {"name": "backend-deployment-1"},
        "status": {
            "containerStatuses": [
                {"image": "no/such:image", "state": {"waiting": {"reason": waiting}}}
            ]
        },
    }
    seen = observation(deployment=deployment(updated=1, available=1), pods=(pod,))

    status = status_for(cart_service(), seen, now=NOW)

    told = {c["type"]: c for c in status["conditions"]}
    assert (told["Stalled"]["status"], told["Stalled"]["reason"]) == ("True", reason)
    assert words in told["Ready"]["message"]


def test_missing_metrics_are_told_and_do_not_block() -> None:
    condition = {"type": "ScalingActive", "status": "False", "message": "no metrics"}
    seen = observation(autoscaler={"status": {"conditions": [condition]}})

    told = _told(status_for(cart_service(), seen, now=NOW))

    assert told["AutoscalingReady"] == ("False", "MetricsUnavailable")
    assert told["Ready"] == ("True", "Ready")


def test_conditions_of_features_that_are_off_are_absent() -> None:
    resource = cart_service(autoscaling={"enabled": False})

    assert "AutoscalingReady" not in _told(status_for(resource, observation(), now=NOW))


def test_a_suspended_resource_keeps_its_ready() -> None:
    before = status_for(cart_service(generation=1), observation(), now=NOW)
    resource = cart_service(generation=2, suspend=True, status=before)

    status = status_for(resource, observation(), now=LATER)

    assert _told(status)["Ready"] == ("True", "Ready")
    assert status["observedGeneration"] == 2


def test_a_spec_changed_while_suspended_is_not_called_observed() -> None:
    before = status_for(cart_service(generation=1), observation(), now=NOW)
    resource = cart_service(generation=2, suspend=True, status=before)

    status = status_for(resource, observation(has_pending_changes=True), now=LATER)

    assert _told(status)["Ready"] == ("Unknown", "Suspended")
    assert status["observedGeneration"] == 1


def test_an_unreadable_spec_keeps_what_was_known() -> None:
    before = status_for(cart_service(), observation(), now=NOW)

    status = status_for_invalid(2, before, errors.InvalidSpec("spec.image: missing"), now=LATER)

    assert _told(status)["Stalled"] == ("True", "InvalidSpec")
    assert _told(status)["DeploymentAvailable"] == ("True", "Available")
    assert status["image"] == before["image"]
