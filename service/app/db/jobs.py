"""The queue between the event loop and the threads: bounded, first come first served."""

import asyncio
import contextlib
import contextvars
import queue
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from app.errors import DatabaseUnavailable, Overloaded

# Enough for a refusal to reach the client before its deadline.
_ANSWER_SECONDS = 0.3


@dataclass(eq=False, slots=True)
class Job:
    """A use case that a request waits for."""

    work: Callable[[], Any]
    future: asyncio.Future[Any]
    deadline: float
    # Whether it may run again although it may have happened.
    is_repeatable: bool
    context: contextvars.Context = field(default_factory=contextvars.copy_context)
    queued_at: float = field(default_factory=time.monotonic)
    tries: int = 0

    def refuse(self, error: DatabaseUnavailable) -> None:
        """Answer the request with an error; on the event loop."""
        if not self.future.done():
            self.future.set_exception(error)


class Jobs:
    """Jobs that no thread has taken yet."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._waiting: deque[Job] = deque()
        # True for every job put in, False to end a thread. A job may be gone when its ticket is
        # drawn. Both are lock-free for the event loop, which must not wait for a thread.
        self._tickets: queue.SimpleQueue[bool] = queue.SimpleQueue()

    def put(self, job: Job) -> None:
        """Add a job, or refuse it when too many wait."""
        if len(self._waiting) >= self._capacity:
            raise Overloaded(f"{self._capacity} requests wait for PostgreSQL")
        self._waiting.append(job)
        self._tickets.put(True)

    def put_back(self, job: Job) -> None:
        """Give a job that was taken to the thread that is free next."""
        self._waiting.appendleft(job)
        self._tickets.put(True)

    def take(self) -> Job | None:
        """Wait for a job that somebody still wants; None: the thread shall end."""
        while self._tickets.get():
            with contextlib.suppress(IndexError):
                job = self._waiting.popleft()
                if not job.future.done():
                    return job
        return None

    def end_one_thread(self) -> None:
        """Let one `take` return None, after the jobs that wait now."""
        self._tickets.put(False)

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
        # A thread may take it at this very moment; it then runs for nobody.
        with contextlib.suppress(ValueError):
            self._waiting.remove(job)
            job.refuse(error)
