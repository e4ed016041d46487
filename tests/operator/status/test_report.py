"""The whole status of a resource: its conditions, when they changed, and the one verdict."""

import pytest

from carthub_operator import errors
from carthub_operator.api.conditions import Reason
from carthub_operator.desired.facts import MigrationState, migration_key
from carthub_operator.migration import Progress
from carthub_operator.status.observation import Observation, SecretState
from carthub_operator.status.report import status_for, status_for_problem
from tests.support.resources import cart_service, credentials, deployment, observation
from tests.support.statuses import LATER, NOW, kstatus, reasons


def test_a_resource_as_declared_is_ready() -> None:
    status = status_for(cart_service(generation=3), observation(), now=NOW)

    assert reasons(status) == {
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
    assert status["database"] == {
        "maxConnections": 273,
        "secretVersionId": "v1",
        "secretChangedAt": NOW,
    }
    assert kstatus(status, 3) == "Current"


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


def test_the_verdict_comes_first() -> None:
    status = status_for(cart_service(), observation(), now=NOW)

    assert [c["type"] for c in status["conditions"]][:3] == ["Ready", "Reconciling", "Stalled"]


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
                migration=Progress(),
            ),
            "SecretNotFound",
            "Failed",
        ),
        (
            observation(
                secret=SecretState(is_synced=False, reason=Reason.PENDING, message="asking"),
                credentials=None,
                deployment=None,
                migration=Progress(),
            ),
            "Pending",
            "InProgress",
        ),
        (observation(migration=Progress(MigrationState.RUNNING)), "Migrating", "InProgress"),
        (observation(migration=Progress(MigrationState.FAILED)), "MigrationFailed", "Failed"),
        (observation(deployment=None), "NotCreated", "InProgress"),
        (observation(deployment=deployment(updated=1)), "RollingOut", "InProgress"),
        (observation(problem=errors.NameTaken("taken")), "NameConflict", "Failed"),
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

    assert reasons(status)["Ready"] == ("False", reason)
    assert kstatus(status, 2) == verdict


def test_a_failed_migration_says_that_the_old_version_serves_and_how_to_try_again() -> None:
    seen = observation(migration=Progress(MigrationState.FAILED, "relation exists"))
    job = f"backend-migrate-{migration_key(cart_service(), credentials())}"

    status = status_for(cart_service(), seen, now=NOW)

    told = {c["type"]: c for c in status["conditions"]}
    assert told["DeploymentAvailable"]["status"] == "True"
    assert "relation exists" in told["MigrationSucceeded"]["message"]
    assert "goes on serving" in told["MigrationSucceeded"]["message"]
    assert f"kubectl delete job {job}" in told["MigrationSucceeded"]["message"]
    assert told["Stalled"]["message"] == told["MigrationSucceeded"]["message"]


def test_trouble_that_is_not_the_servers_absence_has_another_word() -> None:
    seen = observation(problem=errors.NotFound("namespace shop is not there"))

    assert reasons(status_for(cart_service(), seen, now=NOW))["Ready"] == ("False", "Progressing")


def test_missing_metrics_are_told_and_do_not_block() -> None:
    condition = {"type": "ScalingActive", "status": "False", "message": "no metrics"}
    seen = observation(autoscaler={"status": {"conditions": [condition]}})

    told = reasons(status_for(cart_service(), seen, now=NOW))

    assert told["AutoscalingReady"] == ("False", "MetricsUnavailable")
    assert told["Ready"] == ("True", "Ready")


def test_conditions_of_features_that_are_off_are_absent() -> None:
    resource = cart_service(autoscaling={"enabled": False})

    assert "AutoscalingReady" not in reasons(status_for(resource, observation(), now=NOW))


def test_an_unreadable_spec_keeps_what_was_known() -> None:
    before = status_for(cart_service(), observation(), now=NOW)

    status = status_for_problem(2, before, errors.InvalidSpec("spec.image: missing"), now=LATER)

    assert reasons(status)["Stalled"] == ("True", "InvalidSpec")
    assert reasons(status)["DeploymentAvailable"] == ("True", "Available")
    assert status["image"] == before["image"]
