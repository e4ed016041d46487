"""The operator is killed at each of its requests in turn, and the next one converges.

A request is lost before the server hears of it, or answered to nobody: both leave a state that
the next operator has to take up.
"""

import itertools
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from carthub_dev.api_proxy import Loss, Request
from carthub_dev.aws import AwsServer
from carthub_dev.control_plane import ControlPlane
from carthub_dev.ledger import Ledger
from tests.support import likeness
from tests.support.fault_stage import Stage, fault_stage
from tests.support.sizes import size

pytestmark = [pytest.mark.faults, pytest.mark.timeout(size(short=600, full=7200))]

OTHER_IMAGE = "registry.example.com/carthub-service:1.5.0"


class Killer:
    """Kills the operator at one of its requests about single objects of its namespace."""

    def __init__(self, stage: Stage, point: int, loss: Loss) -> None:
        self._stage, self._left, self._loss = stage, point, loss
        self.has_struck = False

    def __call__(self, request: Request) -> Loss | None:
        if request.namespace != self._stage.cart.namespace or not request.is_about_one_object:
            return None
        self._left -= 1
        if self._left >= 0:
            return None
        if not self.has_struck:
            self.has_struck = True
            self._stage.operator.process.signal(signal.SIGKILL)
            return self._loss
        # What the dying process had under way beside it.
        return Loss.REQUEST


def _create(stage: Stage) -> Callable[[], bool]:
    stage.apply()
    return lambda: stage.cart.condition("Ready").get("status") == "True"


def _update(stage: Stage) -> Callable[[], bool]:
    stage.apply(image=OTHER_IMAGE, logLevel="DEBUG", autoscaling={"minReplicas": 3})
    return lambda: stage.cart.condition("Ready").get("status") == "True"


def _rotate(stage: Stage) -> Callable[[], bool]:
    stage.rotate()
    return stage.has_rotated


Step = Callable[[Stage], Callable[[], bool]]
SCENARIOS: dict[str, tuple[Step, ...]] = {
    "create": (_create,),
    "update": (_create, _update),
    "rotation": (_create, _rotate),
}


def _points() -> Iterator[tuple[int, Loss]]:
    """Yield where to strike: everywhere, or here and there in the short form."""
    if size(short=True, full=False):
        yield from ((1, Loss.ANSWER), (4, Loss.REQUEST))
        return
    for point in itertools.count():
        yield from ((point, loss) for loss in (Loss.REQUEST, Loss.ANSWER))


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_point_converges(
    scenario: str, control_plane: ControlPlane, ledger: Ledger, aws_server: AwsServer
) -> None:
    *before, last = SCENARIOS[scenario]

    @contextmanager
    def at_the_start() -> Iterator[Stage]:
        with fault_stage(control_plane, ledger, aws_server) as stage:
            for step in before:
                stage.cart.eventually(step(stage), what="the start of the scenario")
            yield stage

    with at_the_start() as stage:
        stage.cart.eventually(last(stage), what=f"{scenario} undisturbed")
        expected = likeness.children(stage.cart)
    points = 0
    for point, loss in _points():
        with at_the_start() as stage:
            if not _killed(stage, last, point, loss):
                break
            points += 1
            assert likeness.children(stage.cart) == expected, (point, loss)
            assert len(stage.cart.items("Job")) <= len(SCENARIOS[scenario]), (point, loss)
    print(f"{scenario}: {points} of {points} points passed")  # noqa: T201 - the figure of the run
    assert points


def _killed(stage: Stage, last: Step, point: int, loss: Loss) -> bool:
    """Kill the operator within the last step, and wait for the next one to end it.

    Returns whether the step had so many requests.
    """
    killer = Killer(stage, point, loss)
    stage.proxy.decide = killer
    is_done = last(stage)
    stage.cart.eventually(
        lambda: killer.has_struck or is_done(), what="the kill, or the end without one"
    )
    stage.proxy.decide = None
    if killer.has_struck:
        stage.restart()
        stage.cart.eventually(is_done, what=f"the end, after a kill at {point}, {loss.name}")
    return killer.has_struck
