"""Which changes are worth an Event, and that each is told once."""

from typing import Any

import pytest

from carthub_operator import news
from carthub_operator.news import Change
from tests.support.resources import cart_service

SERVICE = Change("created", "Service", "backend-service")
DEPLOYMENT = Change("changed", "Deployment", "backend-deployment")
SECRET = Change("changed", "Secret", "backend-db")


def _status(
    *,
    generation: int = 1,
    version: str | None = "v1",
    pods: int = 2,
    **conditions: tuple[str, str, str],
) -> dict[str, Any]:
    told = {"Ready": ("True", "Ready", "it serves"), **conditions}
    return {
        "observedGeneration": generation,
        "image": "a:1",
        "readyReplicas": pods,
        "conditions": [
            {
                "type": kind,
                "status": status,
                "reason": reason,
                "message": message,
                "observedGeneration": generation,
            }
            for kind, (status, reason, message) in told.items()
        ],
        **({"database": {"secretVersionId": version}} if version else {}),
    }


def _children(changes: list[Change], **kwargs: Any) -> list[tuple[str, str]]:
    resource = cart_service(status=_status(**kwargs), generation=1)
    told = news.of_children(resource, changes, version_id="v1")
    return [(one.reason, one.note) for one in told]


def test_a_first_pass_tells_no_single_child() -> None:
    assert news.of_children(cart_service(), [SERVICE], version_id=None) == []


def test_what_somebody_else_did_to_a_settled_resource_is_restored() -> None:
    assert _children([SERVICE, DEPLOYMENT]) == [
        ("Restored", "Service backend-service made again"),
        ("Restored", "Deployment backend-deployment set back"),
    ]


def test_what_a_new_spec_or_version_changes_is_updated() -> None:
    assert _children([DEPLOYMENT], generation=0) == [
        ("Updated", "Deployment backend-deployment updated")
    ]
    assert _children([DEPLOYMENT], version="v0")[0][0] == "Updated"
    rolling = {"Ready": ("False", "RollingOut", "")}
    assert _children([DEPLOYMENT], **rolling)[0][0] == "Updated"


def test_a_job_is_told_by_its_condition() -> None:
    assert _children([Change("created", "Job", "backend-migrate")]) == []


def test_a_secret_that_somebody_else_had_is_restored() -> None:
    gone = Change("created", "Secret", "backend-db")

    assert _children([SECRET]) == [("Restored", "Secret backend-db set back")]
    assert _children([gone]) == [("Restored", "Secret backend-db made again")]


def test_a_secret_with_a_new_version_or_spec_is_told_by_its_version() -> None:
    assert _children([SECRET], version="v0") == []
    assert _children([SECRET], generation=0) == []
    assert _children([SECRET], Ready=("False", "RollingOut", "")) == []


@pytest.mark.parametrize("asked", [{"carthub.io/sync": "2"}, {}], ids=["asked", "no longer"])
def test_a_secret_that_only_notes_a_sync_is_no_news(asked: dict[str, str]) -> None:
    status = _status()
    status["database"]["lastHandledSync"] = "1"
    resource = cart_service(status=status, annotations=asked)

    assert news.of_children(resource, [SECRET], version_id="v1") == []
    handled = cart_service(status=status, annotations={"carthub.io/sync": "1"})
    assert len(news.of_children(handled, [SECRET], version_id="v1")) == 1


def test_what_is_removed_is_told() -> None:
    gone = Change("removed", "HorizontalPodAutoscaler", "backend-hpa")

    assert _children([gone]) == [("Removed", "HorizontalPodAutoscaler backend-hpa removed")]


def _between(before: dict[str, Any], now: dict[str, Any]) -> list[tuple[bool, str]]:
    return [(one.is_warning, one.reason) for one in news.of_status(before, now)]


def test_an_unchanged_status_is_no_news() -> None:
    assert _between(_status(), _status()) == []


def test_a_trouble_is_told_once_though_several_conditions_name_it() -> None:
    trouble = ("False", "SecretNotFound", "create it")
    now = _status(
        Ready=trouble, SecretSynced=trouble, Stalled=("True", "SecretNotFound", "create it")
    )

    assert _between(_status(), now) == [(True, "SecretNotFound")]
    assert _between(now, now) == []


def test_a_message_that_moves_is_no_news_while_the_reason_stays() -> None:
    before = _status(Ready=("False", "CrashLoop", ""), Stalled=("True", "CrashLoop", "pod a"))
    now = _status(Ready=("False", "CrashLoop", ""), Stalled=("True", "CrashLoop", "pod b"))

    assert _between(before, now) == []


def test_becoming_ready_is_told_and_so_is_another_image() -> None:
    rolling = _status(Ready=("False", "RollingOut", "0 of 2"))
    other = _status(Ready=("True", "Ready", "another image serves"))

    assert _between(rolling, _status()) == [(False, "Ready")]
    assert _between(_status(), other) == [(False, "Ready")]


def test_another_secret_version_is_told_and_the_first_is_not() -> None:
    assert _between(_status(version="v1"), _status(version="v2")) == [(False, "SecretUpdated")]
    assert _between(_status(version=None), _status(version="v1")) == []


def test_a_long_message_is_cut_to_what_an_event_may_hold() -> None:
    now = _status(Stalled=("True", "Rejected", "x" * 5000))

    assert len(news.of_status(_status(), now)[0].note) <= 1024


def test_a_note_is_cut_by_its_bytes() -> None:
    before, now = _status(), _status(Stalled=("True", "Rejected", "\u043d" * 1000))

    (told,) = news.of_status(before, now)

    assert 990 < len(told.note.encode()) <= 1024


AVAILABLE, FEW = ("True", "Available", "2 of 2 pods"), ("False", "Unavailable", "0 of 2 pods")
ROLLING, LACKING = ("False", "RollingOut", "1 of 2 updated"), ("False", "Unavailable", "0 of 2")


def test_too_few_pods_are_told_once() -> None:
    before = _status(DeploymentAvailable=AVAILABLE)
    now = _status(pods=0, Ready=LACKING, DeploymentAvailable=FEW)

    assert _between(before, now) == [(True, "Unavailable")]
    assert news.of_status(before, now)[0].note == "0 of 2 pods"
    assert _between(now, now) == []
    assert _between(now, before) == [(False, "Ready")]


def test_pods_that_have_never_served_are_no_loss() -> None:
    before = _status(pods=0, Ready=ROLLING, DeploymentAvailable=FEW)

    assert _between(_status(pods=0, Ready=ROLLING), before) == []
    assert _between({"observedGeneration": -1}, before) == []


def test_pods_that_are_asked_for_and_not_there_yet_are_no_loss() -> None:
    lacking = ("False", "Unavailable", "2 of 10 pods serving")

    assert (
        _between(
            _status(DeploymentAvailable=AVAILABLE),
            _status(Ready=lacking, DeploymentAvailable=lacking),
        )
        == []
    )


def test_the_surge_of_a_rollout_is_no_loss() -> None:
    before = _status(pods=3, Ready=ROLLING, DeploymentAvailable=AVAILABLE)
    scaled = ("False", "Unavailable", "2 of 10 pods serving")

    assert _between(before, _status(Ready=ROLLING, DeploymentAvailable=scaled)) == []


def test_pods_that_are_lost_with_their_deployment_are_told() -> None:
    now = _status(pods=0, Ready=ROLLING, DeploymentAvailable=FEW)

    assert _between(_status(DeploymentAvailable=AVAILABLE), now) == [(True, "Unavailable")]


def test_a_stall_of_the_pods_speaks_for_those_that_are_lost_with_it() -> None:
    crash = ("False", "CrashLoop", "pod a ends")
    stalled = ("True", "CrashLoop", "pod a ends")
    fine = _status(Stalled=("False", "Idle", ""), DeploymentAvailable=AVAILABLE)
    now = _status(pods=0, Ready=crash, Stalled=stalled, DeploymentAvailable=FEW)

    assert _between(fine, now) == [(True, "CrashLoop")]
    # The version before still served when the new one was told to crash.
    before = _status(Ready=crash, Stalled=stalled, DeploymentAvailable=AVAILABLE)
    assert _between(before, now) == [(True, "Unavailable")]


MIGRATED = ("True", "Migrated", "The schema serves a:2")
MIGRATING = ("Unknown", "Migrating", "Job backend-migrate-1 migrates the schema for a:2")


@pytest.mark.parametrize(
    "before",
    [MIGRATING, ("Unknown", "Suspended", "not migrated yet"), ("Unknown", "ImagePullFailed", "")],
    ids=["running", "running while suspended", "with trouble"],
)
def test_a_later_migration_that_has_succeeded_is_told_once(before: tuple[str, str, str]) -> None:
    was = _status(Ready=ROLLING, MigrationSucceeded=before)
    now = _status(Ready=ROLLING, MigrationSucceeded=MIGRATED)

    assert _between(was, now) == [(False, "Migrated")]
    assert news.of_status(was, now)[0].note == "The schema serves a:2"
    assert _between(now, now) == []


def test_the_first_migration_of_a_new_resource_is_no_news() -> None:
    before = _status(Ready=ROLLING, MigrationSucceeded=MIGRATING)
    del before["image"]

    assert _between(before, _status(Ready=ROLLING, MigrationSucceeded=MIGRATED)) == []


def test_a_schema_that_was_there_already_is_no_news() -> None:
    now = _status(generation=2, Ready=ROLLING, MigrationSucceeded=MIGRATED)
    waiting = ("Unknown", "Pending", "Waiting for the database credentials")

    # The image of before is asked for again.
    assert _between(_status(Ready=ROLLING, MigrationSucceeded=MIGRATING), now) == []
    # Migrations are switched on, and the credentials are back.
    assert _between(_status(generation=2, Ready=ROLLING), now) == []
    back = _status(generation=2, Ready=ROLLING, MigrationSucceeded=waiting)
    assert _between(back, now) == []


def test_suspending_and_resuming_are_told_once() -> None:
    suspended = _status(generation=2, Suspended=("True", "Suspended", "it is left alone"))

    assert _between(_status(), suspended) == [(False, "Suspended")]
    assert news.of_status(_status(), suspended)[0].note == "it is left alone"
    assert _between(suspended, suspended) == []
    assert _between(suspended, _status(generation=3)) == [(False, "Resumed")]


def test_an_autoscaler_without_metrics_is_no_news() -> None:
    # So on a new cluster, and while pods of a quick rollout are young.
    before = _status(AutoscalingReady=("True", "Scaling", ""))
    without = _status(AutoscalingReady=("False", "MetricsUnavailable", "no metrics"))

    assert _between(before, without) == []
    assert _between(_status(AutoscalingReady=("Unknown", "Pending", "")), without) == []
