"""The queue between the event loop and the threads: bounded, first come first served."""

import asyncio
import contextlib
import contextvars
import threading
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
    """Jobs that no thread has taken yet.

    A job wakes exactly one thread, the one that fell idle last: the fewer threads take turns, the
    fewer switches between them. The standard library's queues wake a second one for nothing.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._is_closed = False
        self._waiting: deque[Job] = deque()
        # Locks that sleeping threads have taken twice; to release one is to wake its thread.
        self._idle: list[threading.Lock] = []

    def put(self, job: Job) -> None:
        """Add a job, or refuse it when too many wait."""
        if len(self._waiting) >= self._capacity:
            raise Overloaded(f"{self._capacity} requests wait for PostgreSQL")
        self._waiting.append(job)
        self._wake()

    def put_back(self, job: Job) -> None:
        """Give a job that was taken to the thread that is free next."""
        self._waiting.appendleft(job)
        self._wake()

    def take(self, wake: threading.Lock) -> Job | None:
        """Wait for a job that somebody still wants; None: the thread shall end.

        `wake` is the thread's own lock, taken.
        """
        while True:
            try:
                job = self._waiting.popleft()
            except IndexError:
                if self._is_closed:
                    return None
                self._sleep(wake)
            else:
                if not job.future.done():
                    return job

    def close(self) -> None:
        """Let every thread end once no job waits."""
        self._is_closed = True
        for _ in range(len(self._idle)):
            self._wake()

    def _sleep(self, wake: threading.Lock) -> None:
        self._idle.append(wake)
        if self._waiting or self._is_closed:
            # One came in between, and may have found nobody idle. Who has been picked by now to
            # be woken will be, and sleeps no longer than that.
            with contextlib.suppress(ValueError):
                self._idle.remove(wake)
                return
        wake.acquire()

    def _wake(self) -> None:
        with contextlib.suppress(IndexError):
            self._idle.pop().release()

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
