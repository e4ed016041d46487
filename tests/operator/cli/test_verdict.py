"""Whether waiting makes sense: read from the resource alone."""

from typing import Any

from carthub_operator.cli.verdict import verdict


def _resource(*conditions: tuple[str, str], observed: int = 2, **metadata: Any) -> dict[str, Any]:
    told = [
        {"type": kind, "status": status, "reason": "Why", "message": f"{kind} said"}
        for kind, status in conditions
    ]
    return {
        "metadata": {"name": "backend", "generation": 2, **metadata},
        "status": {"observedGeneration": observed, "conditions": told},
    }


def test_a_resource_without_a_status_is_waited_for() -> None:
    found = verdict({"metadata": {"name": "backend", "generation": 1}})

    assert not found.is_final
    assert found.message == "the operator has not looked at generation 1 yet"


def test_ready_of_an_earlier_generation_does_not_count() -> None:
    found = verdict(_resource(("Ready", "True"), ("Stalled", "False"), observed=1))

    assert (found.is_ready, found.is_final) == (False, False)


def test_ready_ends_the_waiting() -> None:
    found = verdict(_resource(("Ready", "True"), ("Stalled", "False")))

    assert (found.is_ready, found.is_final, found.message) == (True, True, "Ready said")


def test_stalled_ends_the_waiting_with_its_reason() -> None:
    found = verdict(_resource(("Ready", "False"), ("Stalled", "True")))

    assert (found.is_ready, found.is_final, found.reason) == (False, True, "Why")


def test_progress_is_waited_for() -> None:
    found = verdict(_resource(("Ready", "False"), ("Stalled", "False")))

    assert (found.is_ready, found.is_final) == (False, False)


def test_a_change_while_suspended_is_not_waited_for() -> None:
    raw = _resource(("Ready", "Unknown"), ("Suspended", "True"), observed=1)
    found = verdict({**raw, "spec": {"suspend": True}})

    assert (found.is_ready, found.is_final, found.reason) == (False, True, "Suspended")


def test_one_that_has_just_been_resumed_is_waited_for() -> None:
    raw = _resource(("Ready", "Unknown"), ("Suspended", "True"), observed=1)
    found = verdict({**raw, "spec": {}})

    assert (found.is_ready, found.is_final) == (False, False)


def test_a_deletion_is_not_waited_for() -> None:
    found = verdict(_resource(("Ready", "True"), deletionTimestamp="2026-01-01T00:00:00Z"))

    assert (found.is_ready, found.is_final, found.reason) == (False, True, "Deleting")
