"""What hinders a rollout, told at once and steadily, and no longer once it is mended."""

from typing import Any

import pytest

from carthub_operator.status.observation import Observation
from carthub_operator.status.report import status_for
from tests.support.resources import cart_service, deployment, observation, pod
from tests.support.statuses import NOW

CRASHED = {"lastState": {"terminated": {"exitCode": 3}}}
BAD_IMAGE = {"state": {"waiting": {"reason": "ImagePullBackOff"}}}


def _rolling(*pods: dict[str, Any], **live: Any) -> Observation:
    return observation(deployment=deployment(updated=1, available=1, **live), pods=pods)


def _summary(seen: Observation) -> tuple[str, str, str]:
    """The status of Stalled, its reason, and the message of Ready."""
    told = {c["type"]: c for c in status_for(cart_service(), seen, now=NOW)["conditions"]}
    return told["Stalled"]["status"], told["Stalled"]["reason"], told["Ready"]["message"]


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


@pytest.mark.parametrize(
    "message",
    [
        'Created new replica set "backend-deployment-bbb"',
        'ReplicaSet "backend-deployment-bbb" is progressing.',
        'ReplicaSet "backend-deployment-bbb" has timed out progressing.',
    ],
)
def test_pods_of_a_template_that_had_less_are_not_told_of_again(message: str) -> None:
    """More memory, another pull secret or one variable fewer: such a pod looks like the next."""
    live = deployment(updated=1, available=1)
    live["status"]["conditions"][1]["message"] = message

    def stalled(replica_set: str) -> str:
        broken = pod(container=BAD_IMAGE, ownerReferences=[{"name": replica_set}])
        return _summary(observation(deployment=live, pods=(broken,)))[0]

    assert stalled("backend-deployment-aaa") == "False"
    assert stalled("backend-deployment-bbb") == "True"


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
