"""What the operator makes of an API server that fails, in figures.

docs/operator-faults.md has the table. What happens while nobody can tell the operator of it must
be mended once somebody can.
"""

import random
import secrets
import time
from collections.abc import Callable, Iterator

import pytest

from carthub_dev import operator_process
from carthub_dev.api_proxy import Answer, Loss, Request
from carthub_dev.aws import AwsServer
from carthub_dev.control_plane import ControlPlane
from carthub_dev.ledger import Ledger
from carthub_operator import kinds
from tests.support import likeness
from tests.support.cluster import eventually
from tests.support.fault_stage import Stage, fault_stage
from tests.support.live_cart import CHILDREN
from tests.support.sizes import size

pytestmark = [pytest.mark.faults, pytest.mark.timeout(size(short=180, full=1800))]

# Far below the 300 s between two resyncs.
_SOON_SECONDS = 60.0
# Kubernetes' own controllers try to list again after up to 60 s (client-go's Reflector); until
# then no Deployment is rolled out.
_CONTROLLERS_SECONDS = 180.0
_FAULTY_SHARE = 0.3
_FAULTS = {
    "409": Answer(409, "Conflict"),
    "410": Answer(410, "Expired"),
    "429": Answer(429, "TooManyRequests", retry_after_seconds=1),
    "500": Answer(500, "InternalError"),
    "503": Answer(503, "ServiceUnavailable"),
}
# Longer than a resync waits for others that are asked for, shorter than the shortest interval.
_QUIET_SECONDS = 2.5
_LEVELS = ("DEBUG", "INFO")


def _shaken(stage: Stage) -> Callable[[], bool]:
    """Edit the spec, delete and edit children; the answer tells whether all of it is mended."""
    cart = stage.cart
    before = likeness.children(cart)
    level = _LEVELS[cart.resource()["spec"].get("logLevel") == _LEVELS[0]]
    cart.patch("CartService", "backend", {"spec": {"logLevel": level}})
    for kind in ("Service", "HorizontalPodAutoscaler", "ServiceAccount"):
        cart.delete(kind, CHILDREN[kind])
    for kind, change in (
        ("PodDisruptionBudget", {"maxUnavailable": 5}),
        ("NetworkPolicy", {"ingress": [{}]}),
    ):
        cart.patch(kind, CHILDREN[kind], {"spec": change})

    def is_mended() -> bool:
        now = likeness.children(cart)
        deployment = now["Deployment"]
        others = [kind for kind in before if kind != "Deployment"]
        if deployment is None or any(now[kind] != before[kind] for kind in others):
            return False
        (container,) = deployment["spec"]["template"]["spec"]["containers"]
        return {"name": "LOG_LEVEL", "value": level} in container["env"]

    return is_mended


def _seconds_to_mend(stage: Stage, is_mended: Callable[[], bool], *, since: float) -> float:
    stage.cart.eventually(is_mended, what="all is mended", timeout_seconds=_SOON_SECONDS)
    return time.monotonic() - since


def test_an_api_server_that_is_away(
    own_control_plane: ControlPlane, ledger: Ledger, aws_server: AwsServer
) -> None:
    with fault_stage(own_control_plane, ledger, aws_server) as stage:
        stage.apply()
        stage.cart.wait_ready()
        operator = stage.operator
        # It cannot have seen any of what happens last.
        stage.proxy.decide = lambda _: Loss.REQUEST
        stage.proxy.cut()
        is_mended = _shaken(stage)
        stage.plane.stop()
        stage.proxy.decide = None
        # Each watch tells of it once.
        failed = eventually(lambda: operator.log.count('"watch-failed"'), what="it has noticed")
        stopped = time.monotonic()
        while time.monotonic() - stopped < size(short=0, full=300):
            assert operator.answers("/healthz")
            time.sleep(1)
        assert operator.answers("/healthz")
        away = time.monotonic() - stopped
        stage.plane.start()

        lag = _seconds_to_mend(stage, is_mended, since=time.monotonic())
        stage.cart.wait_ready(timeout_seconds=_CONTROLLERS_SECONDS)
        eventually(lambda: operator.answers("/readyz"), what="it is ready", timeout_seconds=60)
        # And news comes by itself again.
        news = _seconds_to_mend(stage, _shaken(stage), since=time.monotonic())
        assert operator.process.is_running
        assert operator.metric("carthub_watches_ended_total") == 0
    print(  # noqa: T201 - the figure of the run
        f"API server away for {away:.0f} s: 6 of 6 unseen changes mended {lag:.1f} s after it was"
        f" back, later ones in {news:.1f} s ({failed} watches had failed before)"
    )


@pytest.fixture(scope="module")
def whole_stage(
    control_plane: ControlPlane, ledger: Ledger, aws_server: AwsServer
) -> Iterator[Stage]:
    with fault_stage(control_plane, ledger, aws_server) as stage:
        stage.apply()
        yield stage


@pytest.fixture
def stage(whole_stage: Stage) -> Iterator[Stage]:
    whole_stage.cart.wait_ready()
    yield whole_stage
    whole_stage.proxy.decide = None


@pytest.mark.parametrize("name", _FAULTS)
def test_answers_that_fail_now_and_then(stage: Stage, name: str) -> None:
    seed = secrets.randbelow(2**32)
    draw = random.Random(seed)  # noqa: S311 - repeatable on purpose
    asked, failed = 0, 0

    def decide(_: Request) -> Answer | None:
        nonlocal asked, failed
        asked += 1
        # The first in any case.
        if failed and draw.random() >= _FAULTY_SHARE:
            return None
        failed += 1
        return _FAULTS[name]

    seconds = []
    for _ in range(size(short=1, full=15)):
        stage.proxy.decide = decide
        # Every kind is listed and watched anew.
        stage.proxy.cut()
        since = time.monotonic()
        seconds.append(_seconds_to_mend(stage, _shaken(stage), since=since))
        stage.cart.wait_ready(timeout_seconds=_SOON_SECONDS)
    print(  # noqa: T201 - the figure of the run
        f"{name} for {failed} of {asked} requests: mended in {max(seconds):.1f} s at most"
        f" of {len(seconds)} times, {60 * asked / sum(seconds):.0f} requests a minute (seed {seed})"
    )
    assert failed, seed
    assert stage.operator.process.is_running
    assert stage.operator.answers("/healthz")


def test_listings_that_are_gone(stage: Stage) -> None:
    refused: list[str] = []

    def decide(request: Request) -> Answer | None:
        is_listing = request.method == "GET" and not request.is_about_one_object
        # A watch without a beginning, or from one that is too old, is refused as well.
        if not is_listing or refused.count(request.path) >= size(short=2, full=6):
            return None
        refused.append(request.path)
        return Answer(410, "Expired")

    stage.proxy.decide = decide
    stage.proxy.cut()
    lag = _seconds_to_mend(stage, _shaken(stage), since=time.monotonic())
    print(f"410 to {len(refused)} lists and watches: mended in {lag:.1f} s")  # noqa: T201 - figure
    assert refused
    assert stage.operator.answers("/healthz")


def test_watches_that_go_silent(
    control_plane: ControlPlane, ledger: Ledger, aws_server: AwsServer
) -> None:
    # At full length what notices the silence is the watch, in the short form the resync.
    resync = size(short=5, full=300)
    settings = {"CARTHUB_RESYNC_SECONDS": f"{resync}"}
    silent: set[str] = set()

    def decide(request: Request) -> Loss | None:
        if not request.is_watch or request.path in silent:
            return None
        silent.add(request.path)
        return Loss.SILENCE

    with fault_stage(control_plane, ledger, aws_server, settings=settings) as stage:
        stage.apply()
        stage.cart.wait_ready()
        stage.proxy.decide = decide
        stage.proxy.cut()
        eventually(
            lambda: len(silent) >= len(kinds.WATCHED), what="no watch tells anything any more"
        )
        _settle(stage)
        # In the short form before a watch has been silent for 70 s.
        lag = _seconds_to_mend_within(stage, size(short=50, full=90))
        assert stage.operator.answers("/healthz")
    print(f"{len(silent)} silent watches, a resync every {resync} s: mended in {lag:.1f} s")  # noqa: T201 - figure


def _settle(stage: Stage) -> None:
    """Wait until nothing has been listed for a while: each new listing brings a resync."""
    mark, count, since = stage.plane.audit_mark(), -1, time.monotonic()
    while time.monotonic() - since < _QUIET_SECONDS:
        time.sleep(0.1)
        listed = [
            one
            for one in stage.plane.audit_events(mark)
            if one.verb == "list" and one.user == operator_process.USER
        ]
        if len(listed) != count:
            count, since = len(listed), time.monotonic()


def _seconds_to_mend_within(stage: Stage, seconds: float) -> float:
    since = time.monotonic()
    stage.cart.eventually(_shaken(stage), what="all is mended", timeout_seconds=seconds)
    return time.monotonic() - since
