"""When a request must be answered: every wait of it, in the database too, ends by then."""

import asyncio
import contextvars
import time

_ends_at: contextvars.ContextVar[float | None] = contextvars.ContextVar("deadline", default=None)

_LOOK_SECONDS = 0.1


def ends_at(otherwise_seconds: float) -> float:
    """Return the end on the monotonic clock; so many seconds from now where nobody set one."""
    found = _ends_at.get()
    return time.monotonic() + otherwise_seconds if found is None else found


class Deadlines:
    """Cancels the tasks whose time is over; made and used on one event loop.

    It looks at all of them ten times a second: a timer for each costs more than the rest of what
    stands around a request.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._running: dict[asyncio.Task[object], float] = {}
        self._over: set[asyncio.Task[object]] = set()
        self._loop = asyncio.get_running_loop()
        self._next_look = self._loop.call_later(_LOOK_SECONDS, self._look)

    def begin(self) -> asyncio.Task[object]:
        """Give the running task its time, and return it."""
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - called from a coroutine
        until = time.monotonic() + self.seconds
        _ends_at.set(until)
        self._running[task] = until
        return task

    def end(self, task: asyncio.Task[object]) -> bool:
        """Forget a task; tell whether it was cancelled because its time was over."""
        self._running.pop(task, None)
        if task not in self._over:
            return False
        self._over.remove(task)
        task.uncancel()
        return True

    def close(self) -> None:
        """Look at nothing any more."""
        self._next_look.cancel()

    def _look(self) -> None:
        # Early rather than late, by one look.
        now = time.monotonic() + _LOOK_SECONDS
        for task in [task for task, until in self._running.items() if until < now]:
            del self._running[task]
            self._over.add(task)
            task.cancel()
        self._next_look = self._loop.call_later(_LOOK_SECONDS, self._look)
