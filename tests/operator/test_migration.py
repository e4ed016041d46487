"""How far a migration is, read from Deployment, Job and pods."""

from typing import Any

import pytest

from carthub_operator import migration
from carthub_operator.desired.facts import MigrationState


def _job(*conditions: str, **metadata: object) -> dict[str, Any]:
    told = [{"type": kind, "status": "True", "message": f"{kind}!"} for kind in conditions]
    return {"metadata": {"name": "job", **metadata}, "status": {"conditions": told}}


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
    assert migration.state("key", deployment=deployment, job=job) is expected


def _pod(created: str, message: str | None, *, job: str = "job") -> dict[str, Any]:
    ended = {} if message is None else {"terminated": {"message": message}}
    return {
        "metadata": {
            "labels": {"batch.kubernetes.io/job-name": job},
            "creationTimestamp": created,
        },
        "status": {"containerStatuses": [{"state": ended}]},
    }


def test_the_youngest_pod_has_the_last_words() -> None:
    pods = [
        _pod("2026-01-01", "first"),
        _pod("2026-01-03", "third\n"),
        _pod("2026-01-02", "second"),
        _pod("2026-01-04", "of another", job="other"),
    ]

    assert migration.last_words(_job("Failed"), pods) == "third"


def test_without_words_of_a_pod_kubernetes_says_why() -> None:
    assert migration.last_words(_job("Failed"), [_pod("2026-01-01", None)]) == "Failed!"
    assert migration.last_words(_job(), []) == ""


def test_words_are_cut_to_what_a_condition_can_carry() -> None:
    assert len(migration.last_words(_job(), [_pod("2026-01-01", "x" * 5000)])) == 1000
