"""Two operators: one writes, and the other takes over in time."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from carthub_dev import operator_process
from carthub_dev.audit import Event
from carthub_dev.aws import AwsServer
from carthub_dev.control_plane import ControlPlane
from carthub_dev.ledger import Ledger
from carthub_dev.operator_process import NAMESPACE, OperatorProcess
from tests.support.cluster import eventually
from tests.support.live_cart import LiveCart, live_cart
from tests.support.live_operator import aws_database, requests

Record = Callable[[str, object], None]
# A standby takes over within this time of a SIGKILL.
FAILOVER_SECONDS = 15.0


class Pair:
    """Two operators of one Lease, and a CartService that is Ready."""

    def __init__(
        self, plane: ControlPlane, cart: LiveCart, operators: list[OperatorProcess]
    ) -> None:
        self.plane, self.cart, self.operators = plane, cart, operators

    def leaders(self) -> list[OperatorProcess]:
        return [one for one in self._running() if one.metric("carthub_leader") == 1]

    def leader(self) -> OperatorProcess:
        (found,) = eventually(self.leaders, what="a leader", timeout_seconds=30)
        return found

    def other(self, than: OperatorProcess) -> OperatorProcess:
        return next(one for one in self.operators if one is not than)

    def seconds_unserved(self) -> float:
        """Return how long it takes until a deleted child is back."""
        self.cart.delete("Service", "backend-service")
        started = time.monotonic()
        self.cart.eventually(
            lambda: self.cart.get("Service", "backend-service"), what="the Service again"
        )
        return round(time.monotonic() - started, 1)

    def _running(self) -> list[OperatorProcess]:
        return [one for one in self.operators if one.process.is_running]


@pytest.fixture
def pair(control_plane: ControlPlane, ledger: Ledger, aws_server: AwsServer) -> Iterator[Pair]:
    kubeconfig = operator_process.install(control_plane)
    with ExitStack() as stack:
        cart = stack.enter_context(live_cart(control_plane))
        # Rights are given for a Lease of this one name.
        settings = {
            "CARTHUB_LEASE_NAMESPACE": NAMESPACE,
            "CARTHUB_NAMESPACES": cart.namespace,
        }
        secret_id = f"test/{cart.namespace}"
        aws_server.put_secret(secret_id, {"username": "u", "password": "canary"})
        operators = []
        for _ in range(2):
            one = OperatorProcess(
                control_plane, ledger, kubeconfig=kubeconfig, aws=aws_server, settings=settings
            )
            stack.callback(one.stop)
            operators.append(one.start())
        cart.apply(database=aws_database(secret_id, interval="60s"))
        cart.wait_ready()
        yield Pair(control_plane, cart, operators)


def _writes_of_children(plane: ControlPlane, since: int, namespace: str) -> list[Event]:
    return [
        one
        for one in requests(plane, since, namespace)
        if one.is_write and one.resource not in {"events", "leases"}
    ]


def test_one_writes_and_both_are_ready(pair: Pair) -> None:
    mark = pair.plane.audit_mark()
    pair.seconds_unserved()

    assert len(pair.leaders()) == 1
    assert all(one.answers("/readyz") and one.answers("/healthz") for one in pair.operators)
    made = _writes_of_children(pair.plane, mark, pair.cart.namespace)
    assert [one.resource for one in made] == ["services"]
    # And what both of them know is shown once.
    shown = "carthub_cartservice_condition"
    labels = {"namespace": pair.cart.namespace, "type": "Stalled"}
    assert sorted(one.metric(shown, **labels) for one in pair.operators) == [0, 1]


def test_the_standby_takes_over_from_one_that_was_killed(
    pair: Pair, record_property: Record
) -> None:
    leader = pair.leader()
    standby = pair.other(leader)

    leader.process.signal(signal.SIGKILL)
    seconds = pair.seconds_unserved()

    record_property("seconds", seconds)
    assert seconds < FAILOVER_SECONDS
    assert standby.metric("carthub_leader") == 1


def test_the_standby_takes_over_at_once_from_one_that_is_stopped(
    pair: Pair, record_property: Record
) -> None:
    leader = pair.leader()

    leader.process.signal(signal.SIGTERM)
    seconds = pair.seconds_unserved()

    record_property("seconds", seconds)
    assert seconds < 5.0


def test_one_that_slept_writes_no_more(pair: Pair, record_property: Record) -> None:
    leader = pair.leader()
    standby = pair.other(leader)

    leader.process.signal(signal.SIGSTOP)
    seconds = pair.seconds_unserved()
    record_property("seconds", seconds)
    assert standby.metric("carthub_leader") == 1
    mark = pair.plane.audit_mark()
    leader.process.signal(signal.SIGCONT)
    eventually(lambda: "leadership-lost" in leader.log, what="it has noticed", timeout_seconds=30)
    pair.seconds_unserved()

    made = _writes_of_children(pair.plane, mark, pair.cart.namespace)
    assert [one.resource for one in made] == ["services"]
    assert leader.answers("/healthz")
    assert len(pair.leaders()) == 1
