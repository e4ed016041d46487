"""Two operators: one writes, and the other takes over in time."""

import datetime as dt
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from carthub_dev import operator_process
from carthub_dev.aws import AwsServer
from carthub_dev.control_plane import ControlPlane
from carthub_dev.ledger import Ledger
from carthub_dev.operator_process import NAMESPACE, OperatorProcess
from tests.support.cluster import eventually
from tests.support.live_cart import LiveCart, live_cart
from tests.support.live_operator import aws_database, requests

# A standby takes over within this time of a SIGKILL: 14 s after the last renewal at most, and what
# a busy machine adds to the healing. One that does not look would never.
FAILOVER_SECONDS = 15.0
_SLACK_SECONDS = 10.0
# Of one that is stopped at once. A Lease that is not given back lasts for nine at least.
_HANDOVER_SECONDS = 8.0
# What sets a deleted Service back.
_HEALING = "patch services"


class Pair:
    """Two operators of one Lease, and a CartService that is Ready."""

    def __init__(
        self, plane: ControlPlane, cart: LiveCart, operators: list[OperatorProcess]
    ) -> None:
        self.plane, self.cart, self.operators = plane, cart, operators

    def leaders(self) -> list[OperatorProcess]:
        return [one for one in self._running() if one.metric("carthub_leader") == 1]

    def leader(self) -> OperatorProcess:
        (found,) = eventually(self.leaders, what="a leader")
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

    def writes(self, since: int) -> list[str]:
        """Return what both have written since a mark of the audit log, Leases and Events not.

        A request is in the log once it is answered, a little after others see what it did.
        """

        def written() -> list[str]:
            return [
                f"{one.verb} {one.resource}/{one.subresource}".rstrip("/")
                for one in requests(self.plane, since, self.cart.namespace)
                if one.is_write and one.resource not in {"events", "leases"}
            ]

        eventually(lambda: _HEALING in written(), what="the healing write in the audit log")
        return written()

    def start_again(self) -> None:
        """Start what a test has ended."""
        for one in self.operators:
            if not one.process.is_running:
                one.stop()
                one.start()

    def _running(self) -> list[OperatorProcess]:
        return [one for one in self.operators if one.process.is_running]


@pytest.fixture(scope="module")
def whole_pair(
    control_plane: ControlPlane, ledger: Ledger, aws_server: AwsServer
) -> Iterator[Pair]:
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
        # The last news: the autoscaler looks for its metrics for the first time within 15 s.
        cart.wait_for("AutoscalingReady", "False")
        yield Pair(control_plane, cart, operators)


@pytest.fixture
def pair(whole_pair: Pair) -> Pair:
    """Both run, and one of them leads."""
    whole_pair.start_again()
    whole_pair.leader()
    return whole_pair


def _figure(what: str, seconds: float, made: list[str]) -> None:
    """Print it, and hold what was written to one apply of the child that was missing.

    A status may be told meanwhile: once, by the one that leads.
    """
    healing = [write for write in made if write != "patch cartservices/status"]
    print(f"{what}: {seconds:.1f} s unserved, double writes {len(healing) - 1}")  # noqa: T201 - the figure of the run
    assert healing == [_HEALING]
    assert len(made) <= 1 + len(healing)


def test_one_writes_and_both_are_ready(pair: Pair) -> None:
    mark = pair.plane.audit_mark()
    seconds = pair.seconds_unserved()

    assert len(pair.leaders()) == 1
    assert all(one.answers("/readyz") and one.answers("/healthz") for one in pair.operators)
    _figure("two operators", seconds, pair.writes(mark))
    # And what both of them know is shown once.
    shown = "carthub_cartservice_condition"
    labels = {"namespace": pair.cart.namespace, "type": "Stalled"}
    assert sorted(one.metric(shown, **labels) for one in pair.operators) == [0, 1]
    shown = "carthub_cartservice_secret_changed_timestamp_seconds"
    none, changed = sorted(
        one.metric(shown, namespace=pair.cart.namespace) for one in pair.operators
    )
    assert none == 0
    told = pair.cart.resource()["status"]["database"]["secretChangedAt"]
    assert changed == dt.datetime.fromisoformat(told).timestamp()


def test_the_standby_takes_over_from_one_that_was_killed(pair: Pair) -> None:
    leader, mark = pair.leader(), pair.plane.audit_mark()
    standby = pair.other(leader)

    leader.process.signal(signal.SIGKILL)
    seconds = pair.seconds_unserved()
    leader.stop()

    _figure("SIGKILL", seconds, pair.writes(mark))
    assert seconds < FAILOVER_SECONDS + _SLACK_SECONDS
    assert standby.metric("carthub_leader") == 1


def test_the_standby_takes_over_at_once_from_one_that_is_stopped(pair: Pair) -> None:
    leader, mark = pair.leader(), pair.plane.audit_mark()

    leader.process.signal(signal.SIGTERM)
    seconds = pair.seconds_unserved()
    # What is about to end still counts as running for the next test.
    leader.stop()

    _figure("SIGTERM", seconds, pair.writes(mark))
    assert seconds < _HANDOVER_SECONDS


def test_one_that_slept_writes_no_more(pair: Pair) -> None:
    leader, mark = pair.leader(), pair.plane.audit_mark()
    standby, lost = pair.other(leader), leader.log.count("leadership-lost")

    leader.process.signal(signal.SIGSTOP)
    try:
        seconds = pair.seconds_unserved()
        _figure("SIGSTOP", seconds, pair.writes(mark))
        assert standby.metric("carthub_leader") == 1
        mark = pair.plane.audit_mark()
    finally:
        leader.process.signal(signal.SIGCONT)
    eventually(
        lambda: leader.log.count("leadership-lost") > lost,
        what="it has noticed",
    )
    seconds = pair.seconds_unserved()

    _figure("SIGCONT after it", seconds, pair.writes(mark))
    assert leader.answers("/healthz")
    assert len(pair.leaders()) == 1
