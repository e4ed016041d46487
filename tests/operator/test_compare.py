"""What counts as different from what we want: our values, and that exactly our fields are ours."""

import json
from typing import Any

import pytest

from carthub_operator import compare

MANAGER = "carthub-operator"


def _live(fields: dict[str, Any], **parts: Any) -> dict[str, Any]:
    managed = {"manager": MANAGER, "operation": "Apply", "fieldsV1": fields}
    return {"metadata": {"name": "n", "managedFields": [managed]}, **parts}


def _differs(desired: dict[str, Any], live: dict[str, Any]) -> bool:
    return compare.differs({"metadata": {"name": "n"}, **desired}, live, field_manager=MANAGER)


SPEC_A: dict[str, Any] = {"f:spec": {"f:a": {}}}


def test_what_the_api_server_adds_is_no_difference() -> None:
    assert not _differs({"spec": {"a": 1}}, _live(SPEC_A, spec={"a": 1, "defaulted": 2}))


def test_another_value_is_one() -> None:
    assert _differs({"spec": {"a": 1}}, _live(SPEC_A, spec={"a": 2}))


def test_a_field_that_we_own_and_no_longer_want_is_one() -> None:
    fields: dict[str, Any] = {"f:spec": {"f:a": {}, "f:dropped": {}}}

    assert _differs({"spec": {"a": 1}}, _live(fields, spec={"a": 1, "dropped": 2}))


def test_a_field_that_somebody_else_took_over_is_one() -> None:
    # Somebody widened a list that is owned as a whole: the values we asked for are still there.
    live = _live(SPEC_A, spec={"a": 1, "peers": [{"x": 1, "y": 2}]})

    assert _differs({"spec": {"a": 1, "peers": [{"x": 1}]}}, live)


def test_an_object_that_we_never_applied_is_one() -> None:
    assert _differs({"spec": {"a": 1}}, {"metadata": {"name": "n"}, "spec": {"a": 1}})


def test_the_fields_of_a_status_or_of_an_update_are_not_ours() -> None:
    entry = {"manager": MANAGER, "operation": "Apply", "fieldsV1": {"f:status": {}}}
    live = _live(SPEC_A, spec={"a": 1})
    live["metadata"]["managedFields"].insert(0, {**entry, "subresource": "status"})
    live["metadata"]["managedFields"].insert(0, {**entry, "operation": "Update"})

    assert not _differs({"spec": {"a": 1}}, live)


@pytest.mark.parametrize(
    ("desired", "live", "is_different"),
    [
        ("1000m", "1", False),
        ("0.5Gi", "512Mi", False),
        (2, "2", False),
        ("1k", "1000", False),
        # The API server rounds up to a billionth.
        ("0.1n", "1n", False),
        ("100m", "101m", True),
        ("64Mi", None, True),
        ("no quantity", "other", True),
    ],
)
def test_quantities_are_compared_by_value(
    desired: object, live: object, *, is_different: bool
) -> None:
    fields: dict[str, Any] = {"f:resources": {"f:limits": {"f:cpu": {}}}}
    found = _live(fields, resources={"limits": {} if live is None else {"cpu": live}})

    assert _differs({"resources": {"limits": {"cpu": desired}}}, found) is is_different


def test_equal_quantities_elsewhere_are_different_texts() -> None:
    assert _differs({"spec": {"a": "1000m"}}, _live(SPEC_A, spec={"a": "1"}))


def _env_fields(*names: str) -> dict[str, Any]:
    keyed: dict[str, Any] = {
        f"k:{json.dumps({'name': name})}": {".": {}, "f:name": {}} for name in names
    }
    return {"f:env": keyed}


def test_lists_with_keys_may_hold_entries_of_others_in_any_order() -> None:
    live = _live(_env_fields("A", "B"), env=[{"name": "X"}, {"name": "B"}, {"name": "A"}])

    assert not _differs({"env": [{"name": "A"}, {"name": "B"}]}, live)


def test_an_entry_that_we_own_and_no_longer_want_is_a_difference() -> None:
    live = _live(_env_fields("A", "B"), env=[{"name": "A"}, {"name": "B"}])

    assert _differs({"env": [{"name": "A"}]}, live)


def test_an_entry_that_is_missing_is_a_difference() -> None:
    live = _live(_env_fields("A"), env=[{"name": "A"}])

    assert _differs({"env": [{"name": "A"}, {"name": "B"}]}, live)


def test_other_lists_are_compared_in_order_and_length() -> None:
    fields: dict[str, Any] = {"f:spec": {"f:args": {}}}

    assert not _differs({"spec": {"args": ["a", "b"]}}, _live(fields, spec={"args": ["a", "b"]}))
    assert _differs({"spec": {"args": ["a", "b"]}}, _live(fields, spec={"args": ["b", "a"]}))
    assert _differs({"spec": {"args": ["a"]}}, _live(fields, spec={"args": ["a", "b"]}))


@pytest.mark.parametrize("empty", [{}, [], "", False, 0])
def test_an_empty_value_that_the_api_server_left_out_is_no_difference(empty: object) -> None:
    assert not _differs({"spec": {"a": 1, "empty": empty}}, _live(SPEC_A, spec={"a": 1}))


def test_labels_and_owner_are_compared_too() -> None:
    fields: dict[str, Any] = {
        "f:metadata": {
            "f:labels": {"f:a": {}},
            "f:ownerReferences": {'k:{"uid":"1"}': {}},
        }
    }
    metadata = {"labels": {"a": "1"}, "ownerReferences": [{"uid": "1"}]}
    live = _live(fields)
    live["metadata"] |= metadata
    desired = {"metadata": {"name": "n", **metadata}}

    assert not compare.differs(desired, live, field_manager=MANAGER)
    del live["metadata"]["ownerReferences"]
    assert compare.differs(desired, live, field_manager=MANAGER)


def test_the_unit_of_a_resource_field_is_a_quantity() -> None:
    fields: dict[str, Any] = {"f:spec": {"f:divisor": {}}}

    assert not _differs({"spec": {"divisor": "1000m"}}, _live(fields, spec={"divisor": "1"}))
