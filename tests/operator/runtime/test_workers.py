"""Workers: what a pass leaves behind in queue, log, metrics and Events."""

import time
from collections.abc import Iterator

import pytest
import structlog

from carthub_operator import errors
from carthub_operator.api.resource import Key
from carthub_operator.news import Change, News
from carthub_operator.reconcile import Outcome
from carthub_operator.runtime.metrics import Metrics
from carthub_operator.runtime.work_queue import WorkQueue
from carthub_operator.runtime.workers import Workers
from tests.support.cluster import eventually

KEY = Key("shop", "backend")
NEWS = News(is_warning=False, reason="Ready", action="rollout", note="it serves")


class World:
    def __init__(self) -> None:
        self.queue, self.metrics = WorkQueue(jitter=lambda: 0.0), Metrics()
        self.outcomes: list[Outcome | Exception] = []
        self.announced: list[tuple[Key, str, News]] = []
        self.workers = Workers(self.queue, self, self, metrics=self.metrics, count=1)

    def reconcile(self, key: Key) -> Outcome:
        assert key == KEY
        outcome = self.outcomes.pop(0) if self.outcomes else Outcome()
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def announce(self, key: Key, uid: str, news: News) -> None:
        self.announced.append((key, uid, news))

    def passes(self, outcome: str) -> float:
        labels = {"outcome": outcome}
        name = "carthub_reconcile_seconds_count"
        return self.metrics.registry.get_sample_value(name, labels) or 0.0

    def run(self, *outcomes: Outcome | Exception) -> None:
        """Let the worker make a pass for each outcome."""
        self.outcomes = list(outcomes)
        total = self.passes("done") + self.passes("failed") + len(outcomes)
        self.queue.add(KEY)
        eventually(
            lambda: self.passes("done") + self.passes("failed") >= total,
            what="all passes made",
            timeout_seconds=20,
            every_seconds=0.01,
        )


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    made.workers.start()
    yield made
    made.queue.close()
    made.workers.join(10)


def test_a_failed_pass_is_tried_again(world: World) -> None:
    world.run(errors.ClusterUnavailable("away"), Outcome())

    assert world.passes("failed") == 1
    assert world.passes("done") == 1


def test_a_problem_in_a_pass_is_tried_again_too(world: World) -> None:
    world.run(Outcome(problem=errors.Conflict("theirs")), Outcome())

    assert world.passes("failed") == 1


def test_a_crash_ends_no_worker_and_quotes_nothing(world: World) -> None:
    with structlog.testing.capture_logs() as logs:
        world.run(RuntimeError("canary"), Outcome())

    assert world.workers.are_alive()
    assert [line["event"] for line in logs] == ["pass-crashed", "pass-failed"]
    assert "canary" not in str(logs)
    assert logs[0]["error"] == "RuntimeError"
    assert logs[0]["at"].startswith("test_workers.py:")


def test_the_same_failure_is_logged_once(world: World) -> None:
    with structlog.testing.capture_logs() as logs:
        world.run(errors.Conflict("theirs"), errors.Conflict("theirs"), Outcome())

    assert [line["event"] for line in logs] == ["pass-failed"]


def test_what_changed_is_logged_counted_and_announced(world: World) -> None:
    condition = {"type": "Ready", "status": "True", "reason": "Ready", "message": "it serves"}
    outcome = Outcome(
        changes=[Change("created", "Service", "backend-service")],
        news=[NEWS],
        uid="uid",
        conditions=[condition],
    )
    with structlog.testing.capture_logs() as logs:
        world.run(outcome)

    assert [line["event"] for line in logs] == ["child-created", "condition-changed"]
    assert logs[0]["child"] == "Service backend-service"
    assert world.announced == [(KEY, "uid", NEWS)]
    labels = {"action": "created", "kind": "Service"}
    assert world.metrics.registry.get_sample_value("carthub_child_changes_total", labels) == 1


def test_an_unchanged_pass_logs_nothing(world: World) -> None:
    with structlog.testing.capture_logs() as logs:
        world.run(Outcome(again_seconds=60.0))

    assert logs == []


def test_the_next_pass_comes_when_the_outcome_says(world: World) -> None:
    world.run(Outcome(again_seconds=0.05), Outcome())

    assert world.passes("done") == 2


def test_a_lasting_refusal_puts_off_no_pass_that_is_due(world: World) -> None:
    refused = Outcome(problem=errors.Rejected("no"), again_seconds=0.05)
    started = time.monotonic()

    world.run(*[refused] * 12)

    # Alone the eleven tries would take more than ten minutes.
    assert time.monotonic() - started < 20
