"""What is said of a CartService: pure, so every case is one call."""

import datetime as dt
import re
from pathlib import Path
from typing import Any

import pytest

from carthub_operator.api.conditions import Reason
from carthub_operator.cli import advice
from carthub_operator.cli.diagnosis import Part, Seen, age, report
from carthub_operator.desired.children import ChildKey
from tests.support.resources import raw_cart_service

WRITTEN = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
RESOURCE_DOCS = Path(__file__).parents[3] / "docs" / "resource.md"


def _resource(**status: Any) -> dict[str, Any]:
    raw = raw_cart_service()
    raw["metadata"] |= {
        "generation": 1,
        "creationTimestamp": WRITTEN.isoformat(),
        "managedFields": [{"time": WRITTEN.isoformat()}],
    }
    return {**raw, "status": status}


def test_a_new_resource_is_given_a_moment() -> None:
    found = report(Seen(_resource()), now=WRITTEN + dt.timedelta(seconds=5))

    assert found.findings[0].what == "The operator has not looked at generation 1 yet."
    assert "carthub wait backend" in found.findings[0].what_to_do


def test_a_resource_that_nobody_looks_at_points_to_the_operator() -> None:
    found = report(Seen(_resource()), now=WRITTEN + dt.timedelta(minutes=7))

    assert found.findings[0].what.endswith("which was written 7m ago.")
    assert "CARTHUB_NAMESPACES" in found.findings[0].what_to_do


def test_a_pod_is_told_with_its_restarts() -> None:
    pod = {
        "kind": "Pod",
        "metadata": {"name": "backend-1"},
        "spec": {"nodeName": "node-1"},
        "status": {
            "phase": "Running",
            "containerStatuses": [
                {"restartCount": 3, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}
            ],
        },
    }

    found = report(Seen(_resource(), pods=[pod]), now=WRITTEN)

    state = "CrashLoopBackOff on node-1, restarted 3 times"
    assert list(found.pods) == [Part("Pod", "backend-1", is_well=False, state=state)]


def test_a_child_that_may_not_be_read_is_neither_well_nor_missing() -> None:
    seen = Seen(_resource(), unreadable=[ChildKey("Secret", "backend-db")])

    found = report(seen, now=WRITTEN)

    state = "may be there: you have no right to read it"
    assert list(found.children) == [Part("Secret", "backend-db", is_well=None, state=state)]


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0, "0s"), (119, "119s"), (120, "2m"), (7200, "2h"), (172800, "2d")]
)
def test_an_age_reads_like_kubectl_s(seconds: int, shown: str) -> None:
    assert age(seconds) == shown


def test_every_reason_has_its_advice_and_its_entry_in_the_docs() -> None:
    documented = set(re.findall(r"`(\w+)`", RESOURCE_DOCS.read_text().partition("### Reasons")[2]))

    assert set(advice.BY_REASON) == set(Reason)
    assert {str(reason) for reason in Reason} <= documented


def test_the_advice_names_what_it_speaks_of() -> None:
    values = {"name": "backend", "namespace": "shop", "secret": "AWS secret a", "deployment": "d"}

    for reason in Reason:
        assert "{" not in advice.advice(reason, **values)


def test_a_reason_of_a_newer_operator_is_looked_up() -> None:
    assert "NotYetKnown" in advice.advice("NotYetKnown")
