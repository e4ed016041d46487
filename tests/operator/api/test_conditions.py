import pathlib
from typing import Any

from carthub_operator.api.conditions import Condition, Reason, Type, merged

NOW, LATER = "2026-01-02T03:04:05Z", "2026-01-02T04:00:00Z"


def _merged(
    status: bool | None,  # noqa: FBT001 - the subject
    *,
    previous: list[dict[str, Any]],
    now: str,
    message: str = "m",
) -> list[dict[str, Any]]:
    told = Condition(Type.READY, status, Reason.READY, message)
    return merged([told], previous=previous, generation=2, now=now)


def test_a_new_condition_begins_now() -> None:
    assert _merged(None, previous=[], now=NOW) == [
        {
            "type": "Ready",
            "status": "Unknown",
            "reason": "Ready",
            "message": "m",
            "observedGeneration": 2,
            "lastTransitionTime": NOW,
        }
    ]


def test_a_new_message_moves_no_transition_time() -> None:
    first = _merged(True, previous=[], now=NOW)

    (second,) = _merged(True, previous=first, now=LATER, message="other")

    assert (second["message"], second["lastTransitionTime"]) == ("other", NOW)


def test_a_new_status_moves_it() -> None:
    first = _merged(True, previous=[], now=NOW)

    (second,) = _merged(False, previous=first, now=LATER)

    assert second["lastTransitionTime"] == LATER


def test_a_condition_that_is_no_longer_told_is_gone() -> None:
    before = _merged(True, previous=[], now=NOW)[0] | {"type": "AutoscalingReady"}

    assert [c["type"] for c in _merged(True, previous=[before], now=LATER)] == ["Ready"]


def test_every_type_and_reason_is_documented() -> None:
    page = pathlib.Path(__file__).resolve().parents[3] / "docs" / "resource.md"
    text = page.read_text()

    assert [word for word in (*Type, *Reason) if f"`{word}`" not in text] == []


def test_a_message_beyond_what_the_api_server_takes_is_cut() -> None:
    (told,) = _merged(False, previous=[], now=NOW, message="m" * 40_000)

    assert len(told["message"]) < 32_768
