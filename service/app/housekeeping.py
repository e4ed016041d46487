"""What happens without a request: carts past their time expire, old idempotency keys go.

Every process has the loop, and an advisory lock lets one at a time work. In batches, each a
transaction of its own, so that no request waits for long and no lock is held for long.
"""

import asyncio
import random
from collections.abc import Callable
from typing import NoReturn

import sqlalchemy
import structlog

from app.cart import idempotency
from app.cart.repository import CartRepository
from app.db.connections import Database
from app.db.jobs import Effect
from app.db.workers import Workers
from app.errors import CarthubError
from app.telemetry import Metrics

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

# Any number that nothing else in this database locks.
_LOCK = 7_224_883_102
_BATCH = 500

# Does up to so much, and returns how much it was.
_Chore = Callable[[sqlalchemy.Connection, int], int]


class Housekeeping:
    """Tidies up at an interval; a process that comes and goes leaves nothing half done."""

    def __init__(self, database: Database, workers: Workers, metrics: Metrics) -> None:
        self._database = database
        self._workers = workers
        self._metrics = metrics

    async def run(self, interval_seconds: float) -> NoReturn:
        """Tidy up for ever; what PostgreSQL fails to do is done the next time."""
        while True:
            # Spread, so that processes that started together do not ask together.
            await asyncio.sleep(interval_seconds * (0.5 + random.random()))  # noqa: S311 - no secret
            try:
                await self.tidy()
            except CarthubError as error:
                log.warning("housekeeping failed", reason=str(error))

    async def tidy(self) -> None:
        """Do all there is to do now."""
        expired = await self._do(_expire)
        purged = await self._do(_purge)
        self._metrics.carts_expired.inc(expired)
        if expired or purged:
            log.info("housekeeping", carts_expired=expired, idempotency_keys_purged=purged)

    async def _do(self, chore: _Chore) -> int:
        def batch() -> int:
            with self._database.connection() as connection:
                return chore(connection, _BATCH)

        total = 0
        while True:
            done = await self._workers.run(batch, Effect.IDEMPOTENT)
            total += done
            if done < _BATCH:
                return total


def _expire(connection: sqlalchemy.Connection, most: int) -> int:
    return CartRepository(connection).expire(_LOCK, most=most)


def _purge(connection: sqlalchemy.Connection, most: int) -> int:
    return idempotency.purge(connection, _LOCK, most=most)
