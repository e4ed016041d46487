"""What is done to children by hand, and to objects of somebody else."""

import time
from collections.abc import Callable

from carthub_dev.operator_process import OperatorProcess
from tests.support.cluster import eventually
from tests.support.live_cart import CHILDREN, LiveCart
from tests.support.live_operator import PASSWORD, aws_database, requests, settle

_LOOKS = 5


def _seconds_until(cart: LiveCart, look: Callable[[], object], *, what: str) -> float:
    started = time.monotonic()
    cart.eventually(look, what=what)
    return round(time.monotonic() - started, 2)


def test_a_deleted_child_comes_back(
    ready: LiveCart, record_property: Callable[[str, object], None]
) -> None:
    for kind, name in CHILDREN.items():
        if kind == "Secret":
            continue
        before = ready.child(kind)["metadata"]["uid"]
        ready.delete(kind, name)

        def is_back(kind: str = kind, name: str = name, before: str = before) -> bool:
            found = ready.get(kind, name)
            return found is not None and found["metadata"]["uid"] != before

        record_property(kind, _seconds_until(ready, is_back, what=f"another {kind}"))

    ready.wait_ready()
    assert "Restored" in [event["reason"] for event in ready.events()]


EDITS: dict[str, tuple[dict[str, object], str]] = {
    "ServiceAccount": ({"automountServiceAccountToken": True}, "automountServiceAccountToken"),
    # Wider than ours: everything that ours says is still in it.
    "NetworkPolicy": ({"spec": {"ingress": [{}]}}, "spec"),
    "Service": ({"spec": {"selector": {"app.kubernetes.io/name": "other"}}}, "spec"),
    "PodDisruptionBudget": ({"spec": {"maxUnavailable": 5}}, "spec"),
    "Deployment": ({"spec": {"progressDeadlineSeconds": 999}}, "spec"),
    "HorizontalPodAutoscaler": ({"spec": {"maxReplicas": 99}}, "spec"),
}


def test_an_edited_child_is_set_back(
    ready: LiveCart, record_property: Callable[[str, object], None]
) -> None:
    for kind, (change, part) in EDITS.items():
        before = ready.child(kind)[part]
        edited = ready.patch(kind, CHILDREN[kind], change)
        assert edited[part] != before

        def is_set_back(kind: str = kind, part: str = part, before: object = before) -> bool:
            return bool(ready.child(kind)[part] == before)

        record_property(kind, _seconds_until(ready, is_set_back, what=f"{kind} as before"))


def test_what_makes_a_child_illegal_beside_ours_goes(ready: LiveCart) -> None:
    # A second port, which demands that every port has a name.
    ready.patch("Service", "backend-service", {"spec": {"ports": [{"port": 81}]}})

    def ports() -> list[int]:
        return [port["port"] for port in ready.child("Service")["spec"]["ports"]]

    ready.eventually(lambda: ports() == [80, 9090], what="our ports alone")
    ready.wait_ready()


def test_what_somebody_adds_beside_ours_stays(ready: LiveCart, operator: OperatorProcess) -> None:
    added = [{"op": "add", "path": "/spec/ports/-", "value": {"name": "extra", "port": 81}}]
    ready.patch("Service", "backend-service", added)

    settle(operator)

    assert [port["port"] for port in ready.child("Service")["spec"]["ports"]] == [80, 9090, 81]


def test_an_edited_secret_is_set_back_at_the_refresh(ready: LiveCart) -> None:
    ready.patch("Secret", "backend-db", {"data": {"DB_PASSWORD": "bm9uZQ=="}})

    ready.eventually(lambda: ready.secret()["DB_PASSWORD"] == PASSWORD, what="the good password")
    note = "Secret backend-db set back"
    ready.eventually(lambda: [one["note"] for one in ready.events()].count(note), what="an event")


def test_a_child_that_lost_a_mark_of_ours_gets_it_back(ready: LiveCart) -> None:
    before = ready.child("Service")["metadata"]

    ready.patch("Service", "backend-service", {"metadata": {"labels": None}})
    ready.eventually(
        lambda: ready.child("Service")["metadata"].get("labels") == before["labels"],
        what="the labels again",
    )
    ready.patch("Service", "backend-service", {"metadata": {"ownerReferences": None}})
    ready.eventually(
        lambda: (
            ready.child("Service")["metadata"].get("ownerReferences") == before["ownerReferences"]
        ),
        what="the owner again",
    )

    assert ready.child("Service")["metadata"]["uid"] == before["uid"]


def test_deletion_removes_every_child(ready: LiveCart) -> None:
    ready.delete("CartService", "backend")

    def left() -> list[str]:
        found = [kind for kind, name in CHILDREN.items() if ready.get(kind, name)]
        return found + [one["metadata"]["name"] for one in ready.items("Job")]

    # The garbage collector looks for new kinds, and so for owners of ours, every 30 s.
    eventually(lambda: not left(), what="nothing is left", timeout_seconds=120)


def test_a_foreign_object_is_told_and_never_touched(
    operator: OperatorProcess,
    cart: LiveCart,
    secret_id: str,
    record_property: Callable[[str, object], None],
) -> None:
    foreign = cart.create(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "backend-service"},
            "spec": {"ports": [{"port": 99}], "selector": {"app": "theirs"}},
        }
    )

    cart.apply(database=aws_database(secret_id))

    told = cart.wait_for("Stalled", "True", "NameConflict")
    assert "Service backend-service" in told["message"]
    assert cart.get("Service", "backend-service") == foreign
    assert cart.get("Deployment", "backend-deployment") is None
    settle(operator)
    mark, started = operator.plane.audit_mark(), time.monotonic()
    for number in range(_LOOKS):
        passes = operator.passes()
        cart.patch("CartService", "backend", {"metadata": {"annotations": {"look": str(number)}}})
        eventually(lambda: operator.passes() > passes, what="a pass")  # noqa: B023 - used in this round only
    # It looks again by itself too, no more often than every two seconds by now.
    most = 3 * (_LOOKS + (time.monotonic() - started) // 2)
    made = [f"{one.verb} {one.resource}" for one in requests(operator.plane, mark, cart.namespace)]
    record_property("requests", made)
    print(f"a foreign object: {len(made)} requests for {_LOOKS} looks")  # noqa: T201 - the figure of the run
    assert len(made) <= most

    cart.delete("Service", "backend-service")

    cart.wait_ready()
