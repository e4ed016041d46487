"""Whether the database can be used, asked seldom and waited for briefly."""

import asyncio
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

from app.errors import DatabaseUnavailable

_CACHE_SECONDS = 1.0

Checks = Mapping[str, str]


class Readiness:
    """Whether this pod wants requests: until it is told to stop. No dependency is asked."""

    def __init__(self) -> None:
        self.is_draining = False

    def drain(self) -> None:
        """Say no from now on."""
        self.is_draining = True


class DatabaseHealth:
    """The check behind /health: one at a time, its answer kept for a second."""

    def __init__(
        self,
        check: Callable[[], Checks],
        timeout_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._check = check
        self._timeout_seconds = timeout_seconds
        self._clock = clock
        # One thread: a check that hangs is waited for by all, and never a second one started.
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="health")
        self._running: asyncio.Future[Checks] | None = None
        self._answer: tuple[float, Checks] | None = None

    async def checks(self) -> Checks:
        """Return what each check says, `ok` when it is; never older than a second."""
        if self._answer is not None and self._clock() - self._answer[0] < _CACHE_SECONDS:
            return self._answer[1]
        # What a check said that nobody waited for any more may be of any age.
        if self._running is None or self._running.done():
            loop = asyncio.get_running_loop()
            self._running = loop.run_in_executor(self._executor, self._checked)
        running = self._running
        await asyncio.wait({running}, timeout=self._timeout_seconds)
        answer = running.result() if running.done() else {"database": "timeout"}
        self._answer = self._clock(), answer
        return answer

    def close(self) -> None:
        """Let the thread end once its check does."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _checked(self) -> Checks:
        try:
            return self._check()
        except DatabaseUnavailable:
            return {"database": "unavailable"}
