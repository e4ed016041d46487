"""Threads that take keys from the work queue, make a pass each, and tell what came of it."""

import threading
import time
from collections.abc import Mapping
from typing import Any, Protocol

import structlog

from carthub_operator.api.resource import Key
from carthub_operator.errors import CarthubError, ClusterUnavailable
from carthub_operator.news import News
from carthub_operator.reconcile import Outcome
from carthub_operator.runtime.metrics import Metrics
from carthub_operator.runtime.work_queue import Urgency, WorkQueue

_log = structlog.get_logger()


class Reconciler(Protocol):
    """Makes a pass."""

    def reconcile(self, key: Key) -> Outcome:
        """Make one pass; raises CarthubError."""


class Announcer(Protocol):
    """Posts Events."""

    def announce(self, key: Key, uid: str, news: News) -> None:
        """Post one Event; one that cannot be posted is lost."""


class Workers:
    """A fixed number of threads; a pass never runs twice at a time for one CartService."""

    def __init__(
        self,
        queue: WorkQueue,
        reconciler: Reconciler,
        announcer: Announcer,
        *,
        metrics: Metrics,
        count: int,
    ) -> None:
        self._queue = queue
        self._reconciler = reconciler
        self._announcer = announcer
        self._metrics = metrics
        self._threads = [
            threading.Thread(target=self._work, name=f"worker-{number}", daemon=True)
            for number in range(count)
        ]
        # What was logged last of a CartService that fails, to log it once.
        self._failing: dict[Key, str] = {}

    def start(self) -> None:
        """Start all threads."""
        for thread in self._threads:
            thread.start()

    def join(self, timeout_seconds: float) -> None:
        """Wait for the passes under way; the queue must be closed."""
        deadline = time.monotonic() + timeout_seconds
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(max(0.0, deadline - time.monotonic()))

    def are_alive(self) -> bool:
        """Tell whether every thread still works."""
        return all(thread.is_alive() for thread in self._threads if thread.ident is not None)

    def _work(self) -> None:
        while (key := self._queue.take()) is not None:
            self._pass(key)

    def _pass(self, key: Key) -> None:
        started = time.monotonic()
        try:
            outcome = self._reconciler.reconcile(key)
        except CarthubError as error:
            outcome = Outcome(problem=error)
        except Exception as error:  # noqa: BLE001 - one resource must not end the worker of all
            # Its text stays out: it is not ours, and may quote what it choked on.
            _log.error("pass-crashed", **_of(key), error=type(error).__name__, at=_place(error))
            outcome = Outcome(problem=ClusterUnavailable(type(error).__name__))
        self._tell(key, outcome)
        seconds = time.monotonic() - started
        if outcome.problem is None:
            self._metrics.pass_seconds.labels("done").observe(seconds)
            self._failing.pop(key, None)
            self._queue.done(key)
            self._again(key, outcome)
            return
        self._metrics.pass_seconds.labels("failed").observe(seconds)
        delay = self._queue.failed(key)
        # What is refused is tried ever later; the credentials are looked at no later for it.
        self._again(key, outcome)
        problem = str(outcome.problem)
        if self._failing.get(key) != problem:
            self._failing[key] = problem
            _log.warning("pass-failed", **_of(key), error=problem, retry_seconds=round(delay, 1))

    def _again(self, key: Key, outcome: Outcome) -> None:
        if outcome.again_seconds is not None:
            self._queue.add(key, urgency=Urgency.ROUTINE, after_seconds=outcome.again_seconds)

    def _tell(self, key: Key, outcome: Outcome) -> None:
        for change in outcome.changes:
            self._metrics.changes.labels(change.action, change.kind).inc()
            _log.info(f"child-{change.action}", **_of(key), child=str(change))
        for condition in outcome.conditions:
            _log.info("condition-changed", **_of(key), **_told(condition))
        for one in outcome.news:
            self._announcer.announce(key, outcome.uid, one)


def _of(key: Key) -> dict[str, str]:
    return {"namespace": key.namespace, "name": key.name}


def _told(condition: Mapping[str, Any]) -> dict[str, str]:
    return {
        "condition": condition["type"],
        "status": condition["status"],
        "reason": condition["reason"],
        "message": condition["message"],
    }


def _place(error: BaseException) -> str:
    """Return where an error was raised, as file:line."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return ""
    return f"{trace.tb_frame.f_code.co_filename.rpartition('/')[2]}:{trace.tb_lineno}"
