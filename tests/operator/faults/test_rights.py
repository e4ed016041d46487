"""Each right of the operator is taken away in turn: something fails, and heals with it.

One operator all the time. What fails is what a person sees: a condition that names the right, a
replica that is not ready or leads no more, or, where a status cannot be written, the log.
"""

import itertools
from collections.abc import Callable

import pytest

from carthub_dev.aws import AwsServer
from carthub_dev.control_plane import ControlPlane
from carthub_dev.ledger import Ledger
from carthub_operator import kinds
from tests.support.rights import Right
from tests.support.rights_stage import SWITCHES, WATCHED, RightsStage, rights_stage
from tests.support.sizes import size

pytestmark = [pytest.mark.faults, pytest.mark.timeout(size(short=180, full=1800))]

# One of each way in which a right is missed.
_SHORT = {
    "create services",
    "get networkpolicies",
    "delete ingresses",
    "patch secrets",
    "watch pods",
    "list cartservices",
    "update cartservices/finalizers",
}
# Without it something is seen to fail; what it returns tells whether that has healed.
Case = Callable[[RightsStage, Right], Callable[[], bool]]


def _told(
    stage: RightsStage, right: Right, is_done: Callable[[], bool], *words: str
) -> Callable[[], bool]:
    """Wait for the condition that says what is missing."""

    def is_told() -> bool:
        ready = stage.cart.condition("Ready")
        return ready.get("status") == "False" and all(
            word in ready["message"] for word in words or (f'cannot {right.verb} resource "',)
        )

    stage.cart.eventually(is_told, what=f"{right} is told to be missing")
    assert not is_done()
    return is_done


def _logged(
    stage: RightsStage,
    event: str,
    right: Right,
    act: Callable[[], object],
    *,
    start: int | None = None,
) -> None:
    """Act, and wait for a line of the log, from `start` or now on, that names event and right."""
    start = len(stage.operator.log) if start is None else start
    act()
    said = f'cannot {right.verb} resource \\"{right.resource.partition("/")[0]}'

    def is_logged() -> bool:
        lines = stage.operator.log[start:].splitlines()
        return any(event in line and said in line for line in lines)

    stage.cart.eventually(is_logged, what=f"{event}, for want of {right}")


def _create(stage: RightsStage, right: Right) -> Callable[[], bool]:
    return _told(stage, right, stage.delete(right.resource))


def _patch(stage: RightsStage, right: Right) -> Callable[[], bool]:
    return _told(stage, right, stage.edit(right.resource))


def _get(stage: RightsStage, right: Right) -> Callable[[], bool]:
    return _told(stage, right, stage.unmark(right.resource))


def _delete(stage: RightsStage, right: Right) -> Callable[[], bool]:
    return _told(stage, right, stage.switch_off(right.resource))


def _list(stage: RightsStage, right: Right) -> Callable[[], bool]:
    # Within the 5 s between two. It is logged once, and may have been since the right is gone.
    _logged(stage, "resync-failed", right, lambda: None, start=0)
    return lambda: True


def _watch(stage: RightsStage, _: Right) -> Callable[[], bool]:
    stage.stage.proxy.cut()
    stage.cart.eventually(lambda: not stage.operator.answers("/readyz"), what="not ready")
    return lambda: stage.operator.answers("/readyz")


def _new_job(stage: RightsStage, right: Right) -> Callable[[], bool]:
    return _told(stage, right, stage.roll_out())


def _read_job(stage: RightsStage, right: Right) -> Callable[[], bool]:
    return _told(stage, right, stage.unmark_job())


def _rotate(stage: RightsStage, right: Right) -> Callable[[], bool]:
    return _told(stage, right, stage.rotate())


def _secret(stage: RightsStage, right: Right) -> Callable[[], bool]:
    step = {"get": stage.rotate, "create": stage.delete_secret, "patch": stage.rotate}
    return _told(stage, right, step[right.verb]())


def _status(stage: RightsStage, right: Right) -> Callable[[], bool]:
    _logged(stage, "pass-failed", right, lambda: stage.patch_spec({"logLevel": "DEBUG"}))
    assert not stage.cart.condition("Ready")
    return lambda: True


def _event(stage: RightsStage, right: Right) -> Callable[[], bool]:
    _logged(stage, "event-lost", right, lambda: stage.delete("services"))
    return lambda: True


def _finalizers(stage: RightsStage, right: Right) -> Callable[[], bool]:
    words = ("cannot set blockOwnerDeletion", "finalizers")
    return _told(stage, right, stage.delete("services"), *words)


def _lease(stage: RightsStage, right: Right) -> Callable[[], bool]:
    acts: dict[str, Callable[[], None]] = {
        "get": stage.touch_lease,
        "create": stage.delete_lease,
        # It renews by itself.
        "patch": lambda: None,
    }
    acts[right.verb]()
    stage.cart.eventually(lambda: not stage.leads(), what="it leads no more")
    return stage.leads


_VERBS: dict[str, Case] = {
    "create": _create,
    "patch": _patch,
    "get": _get,
    "delete": _delete,
    "list": _list,
    "watch": _watch,
}


def _cases() -> dict[Right, Case]:
    watched = {kind.plural: kind.group for kind in (*kinds.WATCHED, kinds.SERVICE_MONITOR)}
    found = {
        Right(watched[plural], plural, verb): _VERBS[verb]
        for plural, verb in itertools.product(WATCHED, _VERBS)
        if verb != "delete" or plural in SWITCHES
    }
    for plural, verb in itertools.product(("cartservices", "jobs", "pods"), ("list", "watch")):
        found[Right(watched[plural], plural, verb)] = _VERBS[verb]
    for verb in ("create", "patch", "delete"):
        found[Right("batch", "jobs", verb)] = _new_job
    found[Right("batch", "jobs", "get")] = _read_job
    for verb in ("get", "create", "patch"):
        found[Right("", "secrets", verb)] = _secret
        found[Right("coordination.k8s.io", "leases", verb)] = _lease
    return {
        **found,
        Right("", "configmaps", "get"): _rotate,
        Right("carthub.io", "cartservices/status", "patch"): _status,
        Right("carthub.io", "cartservices/finalizers", "update"): _finalizers,
        Right("events.k8s.io", "events", "create"): _event,
    }


def test_without_any_right_something_fails_and_with_it_heals(
    own_control_plane: ControlPlane, ledger: Ledger, aws_server: AwsServer
) -> None:
    cases = _cases()
    chosen = {
        right: case for right, case in cases.items() if size(short=str(right) in _SHORT, full=True)
    }
    with rights_stage(own_control_plane, ledger, aws_server) as stage:
        assert stage.roles.given() == set(cases)
        stage.apply()
        stage.cart.wait_ready()
        for right, case in chosen.items():
            with stage.roles.without(right):
                has_healed = case(stage, right)
            stage.wait(has_healed, f"all well again with {right}")
        _who_may_not_delete_may_not_own(stage)
    print(f"{len(chosen)} of {len(cases)} rights are missed")  # noqa: T201 - the figure of the run


def _who_may_not_delete_may_not_own(stage: RightsStage) -> None:
    """An owner that is taken off is not put back where the cluster asks for the right to delete."""
    stage.cart.patch("Service", "backend-service", {"metadata": {"ownerReferences": None}})

    told = stage.cart.wait_for("Ready", "False", "Rejected")
    assert "cannot set an ownerRef on a resource you can't delete" in told["message"]

    stage.wait(stage.delete("services"), "another Service")
    assert "ownerReferences" in stage.cart.child("Service")["metadata"]
