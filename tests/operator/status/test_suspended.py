"""The status of a resource that is suspended: what it keeps, and what it cannot know."""

from carthub_operator.status.report import status_for
from tests.support.resources import cart_service, observation
from tests.support.statuses import LATER, NOW, reasons


def test_a_suspended_resource_keeps_its_ready() -> None:
    before = status_for(cart_service(generation=1), observation(), now=NOW)
    resource = cart_service(generation=2, suspend=True, status=before)

    status = status_for(resource, observation(), now=LATER)

    assert reasons(status)["Ready"] == ("True", "Ready")
    assert reasons(status)["Suspended"] == ("True", "Suspended")
    assert status["observedGeneration"] == 2
    resumed = status_for(cart_service(generation=3, status=status), observation(), now=LATER)
    assert "Suspended" not in reasons(resumed)


def test_a_suspended_resource_keeps_a_reason_of_another_version() -> None:
    before = status_for(cart_service(), observation(), now=NOW)
    before["conditions"][0] |= {"status": "False", "reason": "ReasonOfTheFuture"}
    resource = cart_service(generation=2, suspend=True, status=before)

    assert reasons(status_for(resource, observation(), now=LATER))["Ready"] == (
        "False",
        "ReasonOfTheFuture",
    )


def test_a_spec_changed_while_suspended_is_not_called_observed() -> None:
    before = status_for(cart_service(generation=1), observation(), now=NOW)
    resource = cart_service(generation=2, suspend=True, status=before)

    status = status_for(resource, observation(has_pending_changes=True), now=LATER)

    assert reasons(status)["Ready"] == ("Unknown", "Suspended")
    assert status["observedGeneration"] == 1


def test_a_change_taken_back_while_suspended_is_no_longer_told() -> None:
    before = status_for(cart_service(generation=1), observation(), now=NOW)
    changed = cart_service(generation=2, suspend=True, status=before)
    told = status_for(changed, observation(has_pending_changes=True), now=LATER)

    status = status_for(
        cart_service(generation=3, suspend=True, status=told), observation(), now=LATER
    )

    assert reasons(status)["Ready"] == ("True", "Ready")
    assert status["observedGeneration"] == 3
