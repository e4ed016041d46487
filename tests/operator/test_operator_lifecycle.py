"""The operator's own life: start, restart, stop, and what it may watch."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path

import pytest

from carthub_dev import operator_process
from carthub_dev.audit import Event
from carthub_dev.aws import AwsServer
from carthub_dev.control_plane import ControlPlane
from carthub_dev.kubectl import Kubectl
from carthub_dev.ledger import Ledger
from carthub_dev.operator_process import OperatorProcess
from tests.support import crd
from tests.support.cluster import Cluster, eventually
from tests.support.live_cart import CHILDREN, LiveCart, live_cart
from tests.support.live_operator import aws_database, requests
from tests.support.protection import protected

# So long a namespace that is being deleted is left alone before it is tried again.
_TERMINATING_SECONDS = 30


@pytest.fixture(scope="module")
def kubeconfig(control_plane: ControlPlane) -> Path:
    return operator_process.install(control_plane)


@pytest.fixture
def cart(control_plane: ControlPlane) -> Iterator[LiveCart]:
    with live_cart(control_plane) as made:
        yield made


class Start:
    """Starts operators that watch the namespace of the test alone."""

    def __init__(
        self, plane: ControlPlane, ledger: Ledger, aws: AwsServer, kubeconfig: Path, namespace: str
    ) -> None:
        self._plane, self._ledger, self._aws = plane, ledger, aws
        self._kubeconfig, self._namespace = kubeconfig, namespace

    def process(self, **settings: str) -> OperatorProcess:
        """Return an operator that is not started yet."""
        chosen = {"CARTHUB_NAMESPACES": self._namespace, **settings}
        return OperatorProcess(
            self._plane,
            self._ledger,
            kubeconfig=self._kubeconfig,
            aws=self._aws,
            settings=chosen,
        )

    @contextmanager
    def __call__(self, **settings: str) -> Iterator[OperatorProcess]:
        """Yield a ready operator, and stop it."""
        operator = self.process(**settings)
        try:
            yield operator.start()
        finally:
            operator.stop()


@pytest.fixture
def start(
    control_plane: ControlPlane,
    ledger: Ledger,
    aws_server: AwsServer,
    kubeconfig: Path,
    cart: LiveCart,
) -> Start:
    aws_server.put_secret(f"test/{cart.namespace}", {"username": "u", "password": "canary"})
    return Start(control_plane, ledger, aws_server, kubeconfig, cart.namespace)


def _apply(cart: LiveCart) -> None:
    cart.apply(database=aws_database(f"test/{cart.namespace}"))


def _is_refused(event: Event) -> bool:
    return event.code == HTTPStatus.FORBIDDEN


def test_a_restart_reads_little_and_writes_nothing(
    cart: LiveCart, start: Start, control_plane: ControlPlane
) -> None:
    with start():
        _apply(cart)
        cart.wait_ready()
        cart.wait_for("AutoscalingReady", "False")
    mark = control_plane.audit_mark()

    with start() as operator:
        started = requests(control_plane, mark)
        cart.eventually(lambda: operator.passes() >= 2, what="a pass with the credentials")

    made = requests(control_plane, mark)
    assert len(started) <= 50
    assert not [one for one in made if one.is_write]


def test_what_happened_while_it_was_away_is_mended(cart: LiveCart, start: Start) -> None:
    with start():
        _apply(cart)
        cart.wait_ready()
    cart.delete("Service", "backend-service")
    cart.patch("CartService", "backend", {"spec": {"logLevel": "DEBUG"}})

    with start():
        cart.eventually(lambda: cart.get("Service", "backend-service"), what="the Service again")
        cart.wait_ready()

    container = cart.child("Deployment")["spec"]["template"]["spec"]["containers"][0]
    assert {"name": "LOG_LEVEL", "value": "DEBUG"} in container["env"]


def test_a_namespace_that_is_being_deleted_is_left_alone(
    cart: LiveCart,
    start: Start,
    control_plane: ControlPlane,
    record_property: Callable[[str, object], None],
) -> None:
    kubectl = Kubectl(control_plane.kubeconfig)
    with start(CARTHUB_RESYNC_SECONDS="5") as operator:
        _apply(cart)
        cart.wait_ready()
        # The autoscaler looks for its metrics later: only then all is told.
        cart.wait_for("AutoscalingReady", "False")
        # The CartService holds the namespace in its deletion, and is not deleted itself.
        with protected(kubectl, cart):
            mark, started = control_plane.audit_mark(), time.monotonic()
            kubectl("delete", "namespace", cart.namespace, "--wait=false")
            eventually(
                lambda: not [kind for kind, name in CHILDREN.items() if cart.get(kind, name)],
                what="its children are gone",
            )

            def asked() -> list[Event]:
                return [
                    one
                    for one in requests(control_plane, mark, cart.namespace)
                    if one.verb not in {"list", "watch"} and one.resource != "events"
                ]

            eventually(lambda: any(map(_is_refused, asked())), what="a child is refused")
            passes = operator.passes()
            # News of the resource, and a resync that finds it as it is.
            for number in range(5):
                change = {"metadata": {"annotations": {"carthub.io/sync": str(number)}}}
                cart.patch("CartService", "backend", change)
                eventually(lambda: operator.passes() > passes, what="a pass")  # noqa: B023 - used in this round only
                passes = operator.passes()
            made = asked()
            attempts = 1 + (time.monotonic() - started) // _TERMINATING_SECONDS
            assert operator.answers("/healthz")
        # No longer protected it goes with its namespace, perhaps before this is said.
        kubectl(*("delete", "cartservice", "backend", "-n", cart.namespace), "--ignore-not-found")

    record_property("requests", [f"{one.verb} {one.resource} {one.code}" for one in made])
    # What was under way when it began ends with a first refusal, and so does each later attempt.
    assert len(made) - list(map(_is_refused, made)).index(True) <= attempts


def test_sigterm_ends_it_in_good_order(cart: LiveCart, start: Start) -> None:
    with start() as operator:
        _apply(cart)
        cart.wait_ready()
        seconds = operator.stop()

        assert operator.process.return_code == 0
        assert "operator-stopped" in operator.log
        # A pod has 30.
        assert seconds < 30


def test_every_line_of_the_log_is_json(cart: LiveCart, start: Start) -> None:
    with start(CARTHUB_LOG_LEVEL="DEBUG") as operator:
        _apply(cart)
        cart.wait_ready()

    lines = [json.loads(line) for line in operator.log.splitlines()]
    assert {"event", "level", "timestamp"} <= set(lines[0])
    # Debug lines of the clients below quote what they send.
    assert "canary" not in operator.log


def test_a_resource_outside_its_namespaces_is_not_its_own(
    cart: LiveCart, start: Start, control_plane: ControlPlane
) -> None:
    with start() as operator, live_cart(control_plane) as other:
        _apply(other)
        _apply(cart)
        cart.wait_ready()

        assert other.get("Service", "backend-service") is None
        assert operator.answers("/healthz")


def test_a_wrong_setting_ends_it_with_one_clear_line(start: Start) -> None:
    operator = start.process(CARTHUB_HTTP_PORT="many")
    operator.process.start()
    try:
        eventually(lambda: not operator.process.is_running, what="it ends")
    finally:
        operator.stop()

    assert operator.process.return_code == 2
    assert operator.log.startswith("carthub-operator: CARTHUB_HTTP_PORT: ")
    assert len(operator.log.splitlines()) == 1


def test_without_a_cluster_it_says_what_is_missing(start: Start) -> None:
    operator = start.process(KUBECONFIG="")
    operator.process.start()
    try:
        eventually(lambda: not operator.process.is_running, what="it ends")
    finally:
        operator.stop()

    assert operator.process.return_code == 2
    assert operator.log.startswith("carthub-operator: KUBECONFIG is missing")


def test_it_waits_for_the_definition_of_its_resource(
    own_control_plane: ControlPlane, ledger: Ledger, aws_server: AwsServer
) -> None:
    plane = own_control_plane
    Cluster(plane.kubeconfig).kubectl("delete", "crd", crd.NAME, "--ignore-not-found")
    operator = OperatorProcess(plane, ledger, kubeconfig=plane.kubeconfig, aws=aws_server)
    try:
        operator.process.start()
        eventually(lambda: "waiting" in operator.log, what="it waits")
        assert not operator.answers("/readyz")
        assert operator.answers("/healthz")

        with live_cart_of(plane, aws_server) as cart:
            eventually(lambda: operator.answers("/readyz"), what="it is ready")
            _apply(cart)
            cart.wait_ready()
    finally:
        operator.stop()


@pytest.mark.usefixtures("control_plane_tools")
def test_it_outlives_an_api_server_that_goes_and_comes_back(
    ledger: Ledger, aws_server: AwsServer
) -> None:
    with ControlPlane(ledger) as plane, live_cart_of(plane, aws_server) as cart:
        operator = OperatorProcess(plane, ledger, kubeconfig=plane.kubeconfig, aws=aws_server)
        try:
            operator.start()
            _apply(cart)
            cart.wait_ready()

            plane.stop()
            failed = "carthub_reconcile_seconds_count"
            eventually(
                lambda: operator.metric(failed, outcome="failed") > 0,
                what="a pass that fails",
            )
            assert operator.answers("/healthz")
            plane.start()

            started = time.monotonic()
            cart.patch("CartService", "backend", {"spec": {"logLevel": "DEBUG"}})
            cart.wait_ready(timeout_seconds=90)
            container = cart.child("Deployment")["spec"]["template"]["spec"]["containers"][0]
            assert {"name": "LOG_LEVEL", "value": "DEBUG"} in container["env"]
            assert time.monotonic() - started < 90
            assert operator.process.is_running
        finally:
            operator.stop()


@contextmanager
def live_cart_of(plane: ControlPlane, aws: AwsServer) -> Iterator[LiveCart]:
    """Yield a cart of another control plane, with its CRD and its secret."""
    operator_process.install(plane)
    with live_cart(plane) as cart:
        aws.put_secret(f"test/{cart.namespace}", {"username": "u", "password": "canary"})
        yield cart
