"""Every SQL statement of the service: one round trip each, most a function of cart/sql."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import sqlalchemy

from app.db.statements import Statement


def _function(name: str, *parameter_types: str) -> Statement:
    # A call of a function that answers cart_answer_v1.
    parameters = ", ".join(f"${number}" for number in range(1, len(parameter_types) + 1))
    return Statement(
        name,
        parameter_types,
        f"SELECT outcome, tag, document::text, facts FROM {name}({parameters})",  # noqa: S608 - names from below
    )


READ = Statement(
    "cart_read_v1",
    ("text[]",),
    "SELECT customer_id, tag, document::text FROM cart_read_v1($1)",
)
ADD = _function(
    "cart_add_item_v1",
    *("text", "text", "text", "numeric", "integer", "text", "integer", "boolean"),
    *("integer", "integer", "integer", "interval", "text[]"),
)
SET = _function("cart_set_quantity_v1", "text", "text", "integer", "interval", "text[]")
REMOVE = _function("cart_remove_item_v1", "text", "text", "interval", "text[]")
SET_ITEMS = _function(
    "cart_set_items_v1",
    *("text", "jsonb", "text", "integer", "boolean", "integer", "interval", "text[]"),
)
MERGE = _function(
    "cart_merge_v1", "text", "text", "text", "integer", "integer", "interval", "text[]"
)
CLEAR = _function("cart_clear_v1", "text", "interval", "text[]")
CHECKOUT = _function("cart_checkout_v1", "text", "numeric", "text[]")
ORDERS = Statement(
    "orders_page_v1",
    ("text", "integer", "integer", "timestamptz", "uuid"),
    "SELECT document::text, created_at, id::text FROM orders_page_v1($1, $2, $3, $4, $5)",
)
EXPIRE = Statement("carts_expire_v1", ("bigint", "integer"), "SELECT carts_expire_v1($1, $2)")
PURGE = Statement(
    "idempotency_purge_v1",
    ("bigint", "integer", "interval"),
    "SELECT idempotency_purge_v1($1, $2, $3)",
)
_KEY_TYPES = ("text", "text", "text", "text", "text")
CLAIM = Statement(
    "idempotency_claim_v1",
    (*_KEY_TYPES, "bytea", "interval", "interval"),
    "SELECT state, status, headers, body FROM idempotency_claim_v1($1, $2, $3, $4, $5, $6, $7, $8)",
)
KEEP = Statement(
    "idempotency_keep_v1",
    (*_KEY_TYPES, "integer", "json", "text"),
    "SELECT idempotency_keep_v1($1, $2, $3, $4, $5, $6, $7, $8)",
)
# Somebody else's order is as little there as none: nothing of it is read.
ORDER = Statement(
    "order_read",
    ("uuid", "text"),
    "SELECT order_document_v1(id)::text FROM orders"
    " WHERE id = $1 AND customer_id = coalesce($2, customer_id)",
)


@dataclass(frozen=True)
class Currency:
    """A currency, and the decimals of its amounts; a default gives way to the cart's own."""

    code: str
    decimals: int
    is_default: bool


@dataclass(frozen=True)
class Line:
    """What an add brings: a product, its price, and how many; None: not said."""

    product_id: str
    name: str | None
    unit_price: Decimal
    price_decimals: int
    currency: Currency | None
    quantity: int


@dataclass(frozen=True)
class SetLine:
    """What a line is to be: quantity 0 for gone, None for as it is."""

    product_id: str
    quantity: int
    name: str | None
    unit_price: Decimal | None
    price_decimals: int | None


@dataclass(frozen=True)
class Answer:
    """What a function answered: `cart_answer_v1`; what an outcome does not have is empty here."""

    outcome: str
    tag: str
    document: str
    facts: Mapping[str, Any]


@dataclass(frozen=True)
class OrderPlace:
    """Where an order stands among those of its customer."""

    created_at: datetime
    order_id: str


@dataclass(frozen=True)
class Found:
    """An active cart: its tag, and the document as PostgreSQL wrote it."""

    tag: str
    document: str


class CartRepository:
    """Carts and orders, over one connection in autocommit."""

    def __init__(self, connection: sqlalchemy.Connection) -> None:
        self._connection = connection

    def read(self, customer_ids: Sequence[str]) -> dict[str, Found]:
        """Return the active carts by customer; who has none is not in it."""
        rows = READ.run(self._connection, list(customer_ids))
        return {customer_id: Found(tag, document) for customer_id, tag, document in rows}

    def add_item(
        self,
        customer_id: str,
        line: Line,
        *,
        max_quantity: int,
        max_lines: int,
        ttl: timedelta,
        tags: Sequence[str] | None,
    ) -> Answer:
        """Add pieces of a product; the facts of a changed price are the old one."""
        return self._answer(
            ADD,
            customer_id,
            line.product_id,
            line.name,
            line.unit_price,
            line.price_decimals,
            *_currency(line.currency),
            line.quantity,
            max_quantity,
            max_lines,
            ttl,
            _array(tags),
        )

    def set_quantity(
        self,
        customer_id: str,
        product_id: str,
        quantity: int,
        *,
        ttl: timedelta,
        tags: Sequence[str] | None,
    ) -> Answer:
        """Set the quantity of a line."""
        return self._answer(SET, customer_id, product_id, quantity, ttl, _array(tags))

    def remove_item(
        self, customer_id: str, product_id: str, *, ttl: timedelta, tags: Sequence[str] | None
    ) -> Answer:
        """Remove a line."""
        return self._answer(REMOVE, customer_id, product_id, ttl, _array(tags))

    def set_items(
        self,
        customer_id: str,
        lines: Sequence[SetLine],
        currency: Currency | None,
        *,
        max_lines: int,
        ttl: timedelta,
        tags: Sequence[str] | None,
    ) -> Answer:
        """Set several lines at once; the facts of changed prices are the old ones."""
        return self._answer(
            SET_ITEMS,
            customer_id,
            json.dumps([_record(index, line) for index, line in enumerate(lines)]),
            *_currency(currency),
            max_lines,
            ttl,
            _array(tags),
        )

    def merge(
        self,
        target_id: str,
        source_id: str,
        strategy: str,
        *,
        max_quantity: int,
        max_lines: int,
        ttl: timedelta,
        tags: Sequence[str] | None,
    ) -> Answer:
        """Move the lines of a cart into another; the facts are the prices that gave way."""
        return self._answer(
            MERGE, target_id, source_id, strategy, max_quantity, max_lines, ttl, _array(tags)
        )

    def clear(self, customer_id: str, *, ttl: timedelta, tags: Sequence[str] | None) -> Answer:
        """Remove every line."""
        return self._answer(CLEAR, customer_id, ttl, _array(tags))

    def check_out(
        self, customer_id: str, *, expected_total: Decimal | None, tags: Sequence[str] | None
    ) -> Answer:
        """Make the active cart an order; the document is the order."""
        return self._answer(CHECKOUT, customer_id, expected_total, _array(tags))

    def order(self, order_id: str, only_customer: str | None) -> str | None:
        """Return the document of an order by its UUID, None when there is none.

        With `only_customer` the orders of others are not there either.
        """
        rows = ORDER.run(self._connection, order_id, only_customer)
        return rows[0][0] if rows else None

    def orders(
        self, customer_id: str, *, limit: int, most_lines: int, after: OrderPlace | None
    ) -> list[tuple[str | None, OrderPlace]]:
        """Return documents of orders, youngest first, each with its place among them.

        Behind so many lines there are places only.
        """
        created_at, order_id = (after.created_at, after.order_id) if after else (None, None)
        rows = ORDERS.run(self._connection, customer_id, limit, most_lines, created_at, order_id)
        return [(document, OrderPlace(at, found)) for document, at, found in rows]

    def expire(self, lock: int, *, most: int) -> int:
        """Mark carts past their time as expired; return how many."""
        [expired] = EXPIRE.row(self._connection, lock, most)
        return int(expired)

    def _answer(self, statement: Statement, *values: object) -> Answer:
        outcome, tag, document, facts = statement.row(self._connection, *values)
        return Answer(outcome, tag or "", document or "", facts or {})


def _record(index: int, line: SetLine) -> dict[str, object]:
    # A price as text: JSON numbers are floats to many.
    price = None if line.unit_price is None else str(line.unit_price)
    return {"index": index, **dataclasses.asdict(line), "unit_price": price}


def _array(tags: Sequence[str] | None) -> list[str] | None:
    # psycopg2 makes an array of a list only.
    return None if tags is None else list(tags)


def _currency(found: Currency | None) -> tuple[str | None, int | None, bool]:
    return (found.code, found.decimals, found.is_default) if found else (None, None, False)
