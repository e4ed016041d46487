"""Which changes are worth an Event, and that each is told once."""

from typing import Any

from carthub_operator import news
from carthub_operator.news import Change
from tests.support.resources import cart_service

SERVICE = Change("created", "Service", "backend-service")
DEPLOYMENT = Change("changed", "Deployment", "backend-deployment")


def _status(
    *, generation: int = 1, version: str | None = "v1", **conditions: tuple[str, str, str]
) -> dict[str, Any]:
    told = {"Ready": ("True", "Ready", "it serves"), **conditions}
    return {
        "observedGeneration": generation,
        "image": "a:1",
        "conditions": [
            {"type": kind, "status": status, "reason": reason, "message": message}
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


def test_jobs_and_the_secret_are_told_by_their_conditions() -> None:
    job = Change("created", "Job", "backend-migrate")
    secret = Change("changed", "Secret", "backend-db")

    assert _children([job, secret]) == []


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
