"""The queue in front of the lanes: bounded, first come first served."""

import asyncio
import contextvars
import enum
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from app.db.lanes import Lane
from app.errors import AnswerLost, DatabaseUnavailable, Overloaded

# Enough for a refusal to reach the client before its deadline.
_ANSWER_SECONDS = 0.3


class Effect(enum.Enum):
    """What a use case that runs once more changes; the words are those of RFC 9110, section 9.2."""

    SAFE = enum.auto()  # nothing, as the first time
    IDEMPOTENT = enum.auto()  # nothing more than the first time
    ONCE = enum.auto()  # what only the first time may


@dataclass(eq=False, slots=True)
class Job:
    """A use case that a request waits for."""

    work: Callable[[], Any]
    future: asyncio.Future[Any]
    deadline: float
    effect: Effect
    # Whether an earlier try may have changed something.
    may_have_happened: bool = False
    context: contextvars.Context = field(default_factory=contextvars.copy_context)
    queued_at: float = field(default_factory=time.monotonic)
    tries: int = 0

    def note_failure(self, error: BaseException) -> None:
        """Remember what a try that is to be followed by another may have done."""
        if isinstance(error, AnswerLost) and self.effect is not Effect.SAFE:
            self.may_have_happened = True

    def refuse(self, error: DatabaseUnavailable) -> None:
        """Answer the request with an error, and say with it that it may have happened."""
        if self.future.done():
            return
        self.future.set_exception(AnswerLost(str(error)) if self.may_have_happened else error)


class Jobs:
    """Jobs that no lane has taken yet; a job wakes the lane that fell idle last."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._is_closed = False
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[Job] = deque()
        self._idle: list[Lane] = []

    def put(self, job: Job) -> None:
        """Add a job, or refuse it when too many wait."""
        if len(self._waiting) >= self._capacity:
            raise Overloaded(f"{self._capacity} requests wait for PostgreSQL")
        self._waiting.append(job)
        if self._idle:
            self._idle.pop().switch()

    def put_back(self, job: Job) -> None:
        """Give a job that was taken to the lane that is free next; from a lane."""
        self._waiting.appendleft(job)
        self._loop.call_soon(self._wake)

    def take(self, lane: Lane) -> Job | None:
        """Wait for a job that somebody still wants; None: the lane shall end."""
        while True:
            while not self._waiting:
                if self._is_closed:
                    return None
                self._idle.append(lane)
                lane.sleep()
            job = self._waiting.popleft()
            if not job.future.done():
                return job

    def longest_wait_seconds(self, now: float) -> float:
        """Return how long the first in the queue has waited; on the event loop."""
        return now - self._waiting[0].queued_at if self._waiting else 0.0

    def close(self) -> None:
        """Let every lane end once no job waits."""
        self._is_closed = True
        while self._idle:
            self._idle.pop().switch()

    def _wake(self) -> None:
        if self._waiting and self._idle:
            self._idle.pop().switch()

    def refuse_overdue(self, now: float, most_seconds: float) -> None:
        """Refuse jobs that have waited so long, or whose deadline comes; on the event loop."""
        for job in list(self._waiting):
            waited = now - job.queued_at
            if waited > most_seconds or now > job.deadline - _ANSWER_SECONDS:
                self._drop(job, Overloaded(f"nobody took a request within {waited:.1f} s"))

    def refuse_all(self, refusal: Callable[[], DatabaseUnavailable]) -> None:
        """Refuse every job; on the event loop."""
        for job in list(self._waiting):
            self._drop(job, refusal())

    def _drop(self, job: Job, error: DatabaseUnavailable) -> None:
        self._waiting.remove(job)
        job.refuse(error)
