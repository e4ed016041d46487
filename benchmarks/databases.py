"""The databases that are measured: made, filled, looked at, on one PostgreSQL for everybody."""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psutil
from psycopg2 import sql
from pydantic import SecretStr

from app.migrations import command
from app.settings import Settings
from benchmarks.sums import SUMS, Sums
from benchmarks.workload import CURRENCY, CURRENCY_DECIMALS, UNIT_PRICE, Size
from carthub_dev.database import DatabaseServer
from carthub_dev.ledger import Ledger

# As PostgreSQL comes, where the tests' server is faster than it may be.
DURABLE = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "max_connections": "100",
}
_SHOWN = (
    *DURABLE,
    "autovacuum",
    "effective_cache_size",
    "jit",
    "max_wal_size",
    "shared_buffers",
    "wal_level",
    "work_mem",
)

_FILL_CARTS = """
INSERT INTO carts (id, customer_id, status, currency, created_at, updated_at {columns})
SELECT gen_random_uuid(), n::text, 'active', {currency}, now(), now() {values}
FROM generate_series(1, {carts}) AS n
"""
# By cart, as shops fill them; the key of the lines begins with the cart.
_FILL_LINES = """
INSERT INTO cart_items (cart_id, product_id, name, unit_price, quantity, added_at)
SELECT c.id, l::text, 'Product ' || l, {price}, 1, now()
FROM carts AS c CROSS JOIN generate_series(1, {lines}) AS l
"""
_PRODUCT_COLUMNS = sql.SQL(", currency_decimals, version, expires_at")
_PRODUCT_VALUES = sql.SQL(", {decimals}, 1, now() + interval '30 days'").format(
    decimals=sql.Literal(CURRENCY_DECIMALS)
)
# The setting lasts as long as the session, which is that of this one message.
_TRUSTED = sql.SQL("SET session_replication_role = replica; {}")
_TABLES = "carts, cart_items, orders, order_items"


@dataclass(frozen=True)
class Filled:
    """What it took to fill a database."""

    size: Size
    seconds: float
    mebibytes: float


class Measured:
    """A database of the product or of the reference service."""

    def __init__(self, server: DatabaseServer, url: str, *, is_product: bool) -> None:
        self.server = server
        self.url = url
        self.name = url.rpartition("/")[2]
        self._is_product = is_product

    def fill(self, size: Size) -> Filled:
        """Replace what is in it by carts of equal lines; foreign keys are not asked meanwhile."""
        started = time.monotonic()
        carts = sql.SQL(_FILL_CARTS).format(
            columns=_PRODUCT_COLUMNS if self._is_product else sql.SQL(""),
            values=_PRODUCT_VALUES if self._is_product else sql.SQL(""),
            currency=sql.Literal(CURRENCY),
            carts=sql.Literal(size.carts),
        )
        lines = sql.SQL(_FILL_LINES).format(
            price=sql.Literal(UNIT_PRICE), lines=sql.Literal(size.lines)
        )
        self._run(sql.SQL(f"TRUNCATE {_TABLES} CASCADE"))
        for statement in (carts, lines):
            self._run(_TRUSTED.format(statement))
        self._run(sql.SQL(f"VACUUM ANALYZE {_TABLES}"))
        seconds = time.monotonic() - started
        [(size_bytes,)] = self._run(sql.SQL("SELECT pg_database_size(current_database())"))
        return Filled(size, seconds, size_bytes / (1 << 20))

    def sums(self) -> Sums:
        """Return what it holds now."""
        [(pieces, orders)] = self._run(sql.SQL(SUMS))
        return Sums(int(pieces), int(orders))

    def _run(self, statement: sql.Composable) -> list[tuple[Any, ...]]:
        return self.server.execute(statement, database=self.name)


@dataclass(frozen=True)
class Databases:
    """The server with both databases."""

    server: DatabaseServer
    product: Measured
    reference: Measured

    def settings(self) -> dict[str, str]:
        """Return the server's version and the settings that decide what it costs."""
        found = self.server.execute(
            "SELECT name, current_setting(name) FROM pg_settings WHERE name = ANY (%s)",
            [["server_version", *_SHOWN]],
        )
        return {str(name): str(value) for name, value in sorted(found)}

    def settle(self) -> None:
        """Write out what the run before left, so that it does not slow the next."""
        self.server.execute("CHECKPOINT")

    def cpu_seconds(self) -> float:
        """Return the CPU time of all server processes, ended ones included."""
        return cpu_seconds(self.server.process.pid)


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process, of its children, and of children that ended."""
    process = psutil.Process(pid)
    while True:
        children = process.children()
        own = process.cpu_times()
        total = own.user + own.system + own.children_user + own.children_system
        with contextlib.suppress(psutil.NoSuchProcess):
            for child in children:
                times = child.cpu_times()
                total += times.user + times.system
            # One that ended meanwhile is in neither sum, or in both.
            if process.children() == children:
                return total


@contextlib.contextmanager
def databases(ledger: Ledger) -> Iterator[Databases]:
    """Lend a PostgreSQL with the product's schema in one database, and an empty other one."""
    with DatabaseServer(ledger, settings=DURABLE) as server:
        product, reference = server.fresh_database(), server.fresh_database()
        command.migrate(Settings(database_url=SecretStr(product)))
        yield Databases(
            server,
            Measured(server, product, is_product=True),
            Measured(server, reference, is_product=False),
        )
