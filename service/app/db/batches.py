"""Questions that arrive together are asked together: one statement, one round trip.

What arrives in one turn of the event loop makes a batch, and what arrives while one is being
answered makes the next. A service with little to do asks one by one, at once; the more it has to
do, the more goes together, at the same cost for all.
"""

import asyncio
import contextvars
import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Generic, TypeVar

from app.db.jobs import Effect
from app.db.workers import Workers
from app.errors import DatabaseUnavailable

K = TypeVar("K")
V = TypeVar("V")

# Enough to make the way cheap, few enough to keep several connections busy.
_MOST_KEYS = 16
# A batch that hangs holds up the next one for no longer.
_PATIENCE_SECONDS = 0.01


class Batches(Generic[K, V]):
    """Answers one key at a time with a use case that answers many, and changes nothing."""

    def __init__(self, workers: Workers, ask: Callable[[Sequence[K]], Mapping[K, V]]) -> None:
        self._workers = workers
        self._ask = ask
        self._waiting: list[tuple[K, asyncio.Future[V]]] = []
        self._running: set[asyncio.Task[None]] = set()
        self._next: asyncio.Handle | None = None
        # The youngest one's: it has the most time left, and its trace is the one to be told.
        self._context = contextvars.copy_context()

    async def one(self, key: K) -> V:
        """Return the answer for a key, or raise what asking for it alone would raise."""
        loop = asyncio.get_running_loop()
        self._context = contextvars.copy_context()
        if not self._waiting and self._running:
            self._next = loop.call_later(_PATIENCE_SECONDS, self._send)
        elif not self._waiting:
            self._next = loop.call_soon(self._send)
        future: asyncio.Future[V] = loop.create_future()
        self._waiting.append((key, future))
        return await future

    def _send(self) -> None:
        if self._next is not None:
            self._next.cancel()
        waiting, self._waiting = self._waiting, []
        for start in range(0, len(waiting), _MOST_KEYS):
            batch = waiting[start : start + _MOST_KEYS]
            # Not in the context of here, which is that of a batch before.
            task = asyncio.create_task(self._answered(batch), context=self._context)
            self._running.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if self._waiting and not self._running:
            self._send()

    async def _answered(self, batch: list[tuple[K, asyncio.Future[V]]]) -> None:
        try:
            found = await self._workers.run(lambda: self._asked(batch), Effect.SAFE)
        except Exception as error:  # noqa: BLE001 - each request raises its own
            await self._failed(batch, error)
            return
        for key, future in batch:
            if not future.done():
                future.set_result(found[key])

    def _asked(self, batch: list[tuple[K, asyncio.Future[V]]]) -> Mapping[K, V]:
        # In a lane. Who has given up meanwhile needs no answer.
        keys = [key for key, future in batch if not future.done()]
        return self._ask(keys) if keys else {}

    async def _failed(self, batch: list[tuple[K, asyncio.Future[V]]], error: Exception) -> None:
        if len(batch) > 1 and not isinstance(error, DatabaseUnavailable):
            # One key that PostgreSQL refuses must not cost the others their answer.
            for single in batch:
                await self._answered([single])
            return
        for _, future in batch:
            if not future.done():
                # An error of its own for each: it collects the frames of who raises it.
                future.set_exception(copy.copy(error))
