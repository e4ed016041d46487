from typing import Any

import pytest

from carthub_operator import errors
from carthub_operator.api.conditions import Reason
from carthub_operator.desired.facts import MigrationState, migration_key
from carthub_operator.migration import Progress
from carthub_operator.status.observation import Observation, SecretState
from carthub_operator.status.report import status_for, status_for_problem
from tests.support.resources import cart_service, credentials, deployment, observation, pod

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
    assert status["database"] == {
        "maxConnections": 273,
        "secretVersionId": "v1",
        "secretChangedAt": NOW,
    }
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

    assert _told(status)["Ready"] == ("False", reason)
    assert _kstatus(status, 2) == verdict


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


def test_the_verdict_comes_first() -> None:
    status = status_for(cart_service(), observation(), now=NOW)

    assert [c["type"] for c in status["conditions"]][:3] == ["Ready", "Reconciling", "Stalled"]


def test_trouble_that_is_not_the_servers_absence_has_another_word() -> None:
    seen = observation(problem=errors.NotFound("namespace shop is not there"))

    assert _told(status_for(cart_service(), seen, now=NOW))["Ready"] == ("False", "Progressing")


def test_pods_that_the_autoscaler_adds_do_not_end_ready() -> None:
    live = deployment(replicas=4, available=2, progressing="NewReplicaSetAvailable")

    told = _told(status_for(cart_service(), observation(deployment=live), now=NOW))

    assert told["Ready"] == ("True", "Ready")
    assert told["DeploymentAvailable"] == ("True", "Available")


def test_a_pod_that_a_drain_takes_does_not_end_ready() -> None:
    live = deployment(replicas=2, available=1, progressing="NewReplicaSetAvailable")

    assert _told(status_for(cart_service(), observation(deployment=live), now=NOW))["Ready"] == (
        "True",
        "Ready",
    )


def test_fewer_pods_than_the_spec_and_its_budget_allow_end_ready() -> None:
    live = deployment(replicas=5, available=2, progressing="NewReplicaSetAvailable")
    resource = cart_service(autoscaling={"minReplicas": 4})

    told = _told(status_for(resource, observation(deployment=live), now=NOW))

    assert told["DeploymentAvailable"] == ("False", "Unavailable")
    assert told["Ready"] == ("False", "Unavailable")
    assert told["Reconciling"] == ("True", "Unavailable")


def test_a_backend_without_any_pod_is_not_available() -> None:
    live = deployment(replicas=1, available=0, progressing="NewReplicaSetAvailable")
    resource = cart_service(autoscaling={"minReplicas": 1})

    told = _told(status_for(resource, observation(deployment=live), now=NOW))

    assert told["DeploymentAvailable"] == ("False", "Unavailable")


def test_a_backend_that_is_scaled_to_nothing_is_as_declared() -> None:
    resource = cart_service(autoscaling={"enabled": False}, replicas=0)

    told = _told(status_for(resource, observation(deployment=deployment(replicas=0)), now=NOW))

    assert told["Ready"] == ("True", "Ready")


def _rolling(*pods: dict[str, Any], **live: Any) -> Observation:
    return observation(deployment=deployment(updated=1, available=1, **live), pods=pods)


def _summary(seen: Observation) -> tuple[str, str, str]:
    """The status of Stalled, its reason, and the message of Ready."""
    told = {c["type"]: c for c in status_for(cart_service(), seen, now=NOW)["conditions"]}
    return told["Stalled"]["status"], told["Stalled"]["reason"], told["Ready"]["message"]


CRASHED = {"lastState": {"terminated": {"exitCode": 3}}}


@pytest.mark.parametrize(
    ("container", "reason", "words"),
    [
        ({"state": {"waiting": {"reason": "ErrImagePull"}}}, "ImagePullFailed", "spec.image"),
        ({"state": {"waiting": {"reason": "ImagePullBackOff"}}}, "ImagePullFailed", "spec.image"),
        (
            {"state": {"waiting": {"reason": "CreateContainerConfigError", "message": "no X"}}},
            "ContainerNotStarted",
            "cannot start: no X",
        ),
        (
            {"state": {"waiting": {"reason": "CrashLoopBackOff"}}, **CRASHED},
            "CrashLoop",
            "(exit code 3): see `kubectl logs backend-deployment-1 --previous`",
        ),
        ({"restartCount": 2, "ready": False, **CRASHED}, "CrashLoop", "again and again"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_pod_that_cannot_start_is_told_at_once(
    container: dict[str, Any], reason: str, words: str
) -> None:
    stalled, why, message = _summary(_rolling(pod(container=container)))

    assert (stalled, why) == ("True", reason)
    assert words in message


@pytest.mark.parametrize("between", ["ErrImagePull", "ImagePullBackOff"])
def test_an_image_that_cannot_be_pulled_gives_one_steady_status(between: str) -> None:
    """The kubelet goes back and forth between the two."""
    first = _summary(_rolling(pod(container={"state": {"waiting": {"reason": "ErrImagePull"}}})))

    assert _summary(_rolling(pod(container={"state": {"waiting": {"reason": between}}}))) == first


def test_the_order_of_pods_does_not_move_the_status() -> None:
    pods = [pod(name=name, container={"state": {"waiting": {"reason": "ErrImagePull"}}})
            for name in ("b", "a")]  # fmt: skip

    assert _summary(_rolling(*pods)) == _summary(_rolling(*reversed(pods)))


BAD_IMAGE = {"state": {"waiting": {"reason": "ImagePullBackOff"}}}


@pytest.mark.parametrize(
    "seen",
    [
        _rolling(pod(container=BAD_IMAGE, image="no/such:image")),
        _rolling(pod(container=BAD_IMAGE, annotations={"carthub.io/secret-version": "v0"})),
        _rolling(pod(container=BAD_IMAGE, deletionTimestamp=NOW)),
        _rolling(pod(container=BAD_IMAGE), generation=2, observed=1),
        _rolling(generation=2, observed=1, progressing="ProgressDeadlineExceeded"),
    ],
    ids=["another image", "another secret", "ending", "not yet observed", "an old deadline"],
)
def test_what_has_just_been_mended_is_not_told_again(seen: Observation) -> None:
    stalled, _, message = _summary(seen)

    assert stalled == "False"
    assert "Rolling out" in message


def test_a_variable_that_admission_adds_hides_no_trouble() -> None:
    live = pod(container=BAD_IMAGE)
    live["spec"]["containers"][0]["env"] = [
        *live["spec"]["containers"][0]["env"],
        {"name": "AWS_CONTAINER_CREDENTIALS_FULL_URI", "value": "http://169.254.170.23/v1"},
    ]

    assert _summary(_rolling(live))[:2] == ("True", "ImagePullFailed")


def test_a_rollout_past_its_deadline_is_stalled_with_what_hinders_it() -> None:
    unschedulable = {
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": "0/3 nodes are available",
    }
    waiting = pod(conditions=(unschedulable,))

    assert _summary(_rolling(waiting))[0] == "False"
    assert "cannot be scheduled: 0/3 nodes are available" in _summary(_rolling(waiting))[2]
    late = _summary(_rolling(waiting, progressing="ProgressDeadlineExceeded"))
    assert late[:2] == ("True", "RolloutFailed")
    assert "0/3 nodes are available" in late[2]


def test_a_quota_that_forbids_pods_is_told() -> None:
    live = deployment(updated=0, available=0)
    quota = {"type": "ReplicaFailure", "status": "True", "message": "exceeded quota: small"}
    live["status"]["conditions"].append(quota)

    assert "cannot be created: exceeded quota: small" in _summary(observation(deployment=live))[2]


def test_one_bad_pod_beside_enough_good_ones_is_no_stall() -> None:
    live = deployment(replicas=6, available=5, progressing="NewReplicaSetAvailable")

    assert _summary(observation(deployment=live, pods=(pod(container=BAD_IMAGE),)))[0] == "False"


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
    assert _told(status)["Suspended"] == ("True", "Suspended")
    assert status["observedGeneration"] == 2
    resumed = status_for(cart_service(generation=3, status=status), observation(), now=LATER)
    assert "Suspended" not in _told(resumed)


def test_a_suspended_resource_keeps_a_reason_of_another_version() -> None:
    before = status_for(cart_service(), observation(), now=NOW)
    before["conditions"][0] |= {"status": "False", "reason": "ReasonOfTheFuture"}
    resource = cart_service(generation=2, suspend=True, status=before)

    assert _told(status_for(resource, observation(), now=LATER))["Ready"] == (
        "False",
        "ReasonOfTheFuture",
    )


def test_a_spec_changed_while_suspended_is_not_called_observed() -> None:
    before = status_for(cart_service(generation=1), observation(), now=NOW)
    resource = cart_service(generation=2, suspend=True, status=before)

    status = status_for(resource, observation(has_pending_changes=True), now=LATER)

    assert _told(status)["Ready"] == ("Unknown", "Suspended")
    assert status["observedGeneration"] == 1


def test_a_change_taken_back_while_suspended_is_no_longer_told() -> None:
    before = status_for(cart_service(generation=1), observation(), now=NOW)
    changed = cart_service(generation=2, suspend=True, status=before)
    told = status_for(changed, observation(has_pending_changes=True), now=LATER)

    status = status_for(
        cart_service(generation=3, suspend=True, status=told), observation(), now=LATER
    )

    assert _told(status)["Ready"] == ("True", "Ready")
    assert status["observedGeneration"] == 3


def test_an_unreadable_spec_keeps_what_was_known() -> None:
    before = status_for(cart_service(), observation(), now=NOW)

    status = status_for_problem(2, before, errors.InvalidSpec("spec.image: missing"), now=LATER)

    assert _told(status)["Stalled"] == ("True", "InvalidSpec")
    assert _told(status)["DeploymentAvailable"] == ("True", "Available")
    assert status["image"] == before["image"]
