"""How far a migration is, read from Deployment, Job and pods."""

from collections.abc import Sequence
from typing import Any

import pytest

from carthub_operator import migration
from carthub_operator.desired.facts import MigrationState


def _job(*conditions: str, **metadata: object) -> dict[str, Any]:
    told = [{"type": kind, "status": "True", "message": f"{kind}!"} for kind in conditions]
    made = {"name": "job", "uid": "job-1", "creationTimestamp": "2026-01-01T00:00:00Z", **metadata}
    return {"metadata": made, "status": {"conditions": told}}


def _progress(
    job: dict[str, Any] | None, pods: Sequence[dict[str, Any]] = (), **changed: Any
) -> migration.Progress:
    seen: dict[str, Any] = {
        "deployment": None,
        "is_of_another_spec": False,
        "credentials_changed_at": "2026-01-01T00:00:00Z",
        **changed,
    }
    return migration.progress("key", job=job, pods=pods, **seen)


def _deployment(key: str) -> dict[str, Any]:
    return {"metadata": {"annotations": {"carthub.io/migrated": key}}}


@pytest.mark.parametrize(
    ("deployment", "job", "expected"),
    [
        (None, None, MigrationState.NOT_STARTED),
        (None, _job(), MigrationState.RUNNING),
        (None, _job("FailureTarget"), MigrationState.RUNNING),
        (None, _job("SuccessCriteriaMet", "Complete"), MigrationState.SUCCEEDED),
        (None, _job("FailureTarget", "Failed"), MigrationState.FAILED),
        (None, _job("Failed", deletionTimestamp="now"), MigrationState.NOT_STARTED),
        (_deployment("key"), None, MigrationState.SUCCEEDED),
        (_deployment("key"), _job("Failed"), MigrationState.SUCCEEDED),
        (_deployment("older"), None, MigrationState.NOT_STARTED),
        ({"metadata": {}}, _job(), MigrationState.RUNNING),
    ],
)
def test_states(
    deployment: dict[str, Any] | None, job: dict[str, Any] | None, expected: MigrationState
) -> None:
    assert _progress(job, deployment=deployment).state is expected


def test_a_failure_says_nothing_of_another_spec_or_of_newer_credentials() -> None:
    for changed in (
        {"is_of_another_spec": True},
        {"credentials_changed_at": "2026-01-01T00:00:01Z"},
    ):
        assert _progress(_job("Failed"), **changed) == migration.Progress(is_overtaken=True)


def test_a_job_that_runs_is_replaced_only_if_it_cannot_start_and_the_spec_is_another() -> None:
    waiting = {"state": {"waiting": {"reason": "ImagePullBackOff"}}, "image": "a:1"}
    pod = _pod("2026-01-01", None)
    pod["metadata"]["name"] = "one"
    stuck = {**pod, "status": {"containerStatuses": [waiting]}}

    told = _progress(_job(), [stuck]).trouble

    assert told is not None
    assert told[0] == "ImagePullFailed"
    assert not _progress(_job(), [pod], is_of_another_spec=True).is_overtaken
    assert _progress(_job(), [stuck], is_of_another_spec=True).is_overtaken


def test_a_job_that_was_made_anew_does_not_inherit_the_trouble_of_the_one_before() -> None:
    waiting = {"state": {"waiting": {"reason": "ImagePullBackOff"}}, "image": "a:1"}
    going = _pod("2026-01-01", None, job="job-0")
    going["metadata"] |= {"name": "one", "deletionTimestamp": "2026-01-01T00:00:01Z"}
    going["status"] = {"containerStatuses": [waiting]}

    assert _progress(_job(), [going]).trouble is None


def test_a_pod_that_no_node_takes_is_told() -> None:
    unscheduled = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
    pod = _pod("2026-01-01", None)
    pod["metadata"]["name"] = "one"
    pod["status"] = {"conditions": [{**unscheduled, "message": "0/3 nodes are available"}]}

    assert "0/3 nodes are available" in _progress(_job(), [pod]).message


def _pod(created: str, message: str | None, *, job: str = "job-1") -> dict[str, Any]:
    ended = {} if message is None else {"terminated": {"message": message}}
    return {
        "metadata": {
            "labels": {
                "batch.kubernetes.io/job-name": "job",
                "batch.kubernetes.io/controller-uid": job,
            },
            "creationTimestamp": created,
        },
        "status": {"containerStatuses": [{"state": ended}]},
    }


def test_the_youngest_pod_has_the_last_words() -> None:
    pods = [
        _pod("2026-01-01", "first"),
        _pod("2026-01-03", "third\n"),
        _pod("2026-01-02", "second"),
        _pod("2026-01-04", "of the Job before", job="job-0"),
    ]

    assert _progress(_job("Failed"), pods).message == "third"


def test_without_words_of_a_pod_kubernetes_says_why() -> None:
    assert _progress(_job("Failed"), [_pod("2026-01-01", None)]).message == "Failed!"


def test_words_are_cut_to_what_a_condition_can_carry() -> None:
    assert len(_progress(_job("Failed"), [_pod("2026-01-01", "x" * 5000)]).message) == 1000
