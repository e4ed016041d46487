"""The operator is killed at each of its requests in turn, and the next one converges.

A request is lost before the server hears of it, or answered to nobody: both leave a state that
the next operator has to take up.
"""

import collections
import itertools
import signal
from collections.abc import Callable, Iterator, Mapping

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

# Which of its requests, counted from 0, and how that request is lost.
Point = tuple[int, Loss]


class Killer:
    """Kills the operator at one of its requests about single objects of its namespace."""

    def __init__(self, stage: Stage, point: Point) -> None:
        self._stage = stage
        self._left, self._loss = point
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


# One life, in its order; each with how many Jobs there may have been by its end.
STEPS: Mapping[str, tuple[Callable[[Stage], Callable[[], bool]], int]] = {
    "create": (_create, 1),
    "update": (_update, 2),
    "rotation": (_rotate, 2),
}


def _lives() -> Iterator[Mapping[str, Point]]:
    """Yield where each step of a life is struck: everywhere, or once in the short form."""
    if size(short=True, full=False):
        yield {
            "create": (4, Loss.REQUEST),
            "update": (1, Loss.ANSWER),
            "rotation": (0, Loss.ANSWER),
        }
        return
    for number in itertools.count():
        for loss in (Loss.REQUEST, Loss.ANSWER):
            yield dict.fromkeys(STEPS, (number, loss))


def test_every_point_converges(
    control_plane: ControlPlane, ledger: Ledger, aws_server: AwsServer
) -> None:
    expected = {}
    with fault_stage(control_plane, ledger, aws_server) as stage:
        for name, (step, _) in STEPS.items():
            stage.cart.eventually(step(stage), what=f"{name} undisturbed")
            expected[name] = likeness.children(stage.cart)
    points: collections.Counter[str] = collections.Counter()
    failures: dict[tuple[str, Point], AssertionError] = {}
    for life in _lives():
        before = points.total()
        with fault_stage(control_plane, ledger, aws_server) as stage:
            for name, point in life.items():
                try:
                    points[name] += _is_struck(stage, name, point, expected[name])
                except AssertionError as error:
                    points[name] += 1
                    failures[name, point] = error
                    # What follows would begin from another state.
                    break
        if points.total() == before:
            break
    for name, count in points.items():
        bad = sum(failed == name for failed, _ in failures)
        print(f"{name}: {count - bad} of {count} points passed")  # noqa: T201 - the run's figure
    assert not failures
    assert all(points[name] for name in STEPS)


def _is_struck(stage: Stage, name: str, point: Point, expected: object) -> bool:
    """Kill the operator within a step, and hold the end to the one without a kill.

    Returns whether the step had so many requests.
    """
    step, most_jobs = STEPS[name]
    killer = Killer(stage, point)
    stage.proxy.decide = killer
    is_done = step(stage)
    stage.cart.eventually(
        lambda: killer.has_struck or is_done(), what="the kill, or the end without one"
    )
    stage.proxy.decide = None
    if killer.has_struck:
        stage.restart()
        stage.cart.eventually(is_done, what=f"the end of {name}, after a kill at {point}")
    assert likeness.children(stage.cart) == expected
    assert len(stage.cart.items("Job")) <= most_jobs
    return killer.has_struck
