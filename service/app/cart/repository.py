"""Every SQL statement of the service: one round trip each, most a function of cart/sql."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

import sqlalchemy
from sqlalchemy import text

# A cart or an order as PostgreSQL wrote it, and the outcome around it.
Document = dict[str, Any]

_READ = text("SELECT cart_read_v1(:customer_id)::text")
_ADD = text(
    "SELECT cart_add_item_v1(:customer_id, :product_id, :name, :unit_price, :price_decimals,"
    " :currency, :currency_decimals, :quantity, :max_quantity, :max_lines, :ttl,"
    " CAST(:tags AS text[]))::text"
)
_SET = text(
    "SELECT cart_set_quantity_v1(:customer_id, :product_id, :quantity, :ttl,"
    " CAST(:tags AS text[]))::text"
)
_REMOVE = text(
    "SELECT cart_remove_item_v1(:customer_id, :product_id, :ttl, CAST(:tags AS text[]))::text"
)
_CLEAR = text("SELECT cart_clear_v1(:customer_id, :ttl, CAST(:tags AS text[]))::text")
_CHECKOUT = text(
    "SELECT cart_checkout_v1(:customer_id, :expected_total, CAST(:tags AS text[]))::text"
)
_ORDER = text("SELECT order_document_v1(:order_id)::text")


@dataclass(frozen=True)
class Line:
    """What an add brings: a product, its price, and how many; None: not said."""

    product_id: str
    name: str | None
    unit_price: Decimal
    price_decimals: int
    currency: str | None
    currency_decimals: int | None
    quantity: int


class CartRepository:
    """Carts and orders, over one connection in autocommit."""

    def __init__(self, connection: sqlalchemy.Connection) -> None:
        self._connection = connection

    def read(self, customer_id: str) -> Document | None:
        """Return tag and cart, None without an active one."""
        return self._document(_READ, customer_id=customer_id)

    def add_item(
        self,
        customer_id: str,
        line: Line,
        *,
        max_quantity: int,
        max_lines: int,
        ttl: timedelta,
        tags: Sequence[str] | None,
    ) -> Document:
        """Add pieces of a product; the answer has an outcome, tag, cart and old price."""
        return self._outcome(
            _ADD,
            customer_id=customer_id,
            product_id=line.product_id,
            name=line.name,
            unit_price=line.unit_price,
            price_decimals=line.price_decimals,
            currency=line.currency,
            currency_decimals=line.currency_decimals,
            quantity=line.quantity,
            max_quantity=max_quantity,
            max_lines=max_lines,
            ttl=ttl,
            tags=_array(tags),
        )

    def set_quantity(
        self,
        customer_id: str,
        product_id: str,
        quantity: int,
        *,
        ttl: timedelta,
        tags: Sequence[str] | None,
    ) -> Document:
        """Set the quantity of a line."""
        return self._outcome(
            _SET,
            customer_id=customer_id,
            product_id=product_id,
            quantity=quantity,
            ttl=ttl,
            tags=_array(tags),
        )

    def remove_item(
        self, customer_id: str, product_id: str, *, ttl: timedelta, tags: Sequence[str] | None
    ) -> Document:
        """Remove a line."""
        return self._outcome(
            _REMOVE, customer_id=customer_id, product_id=product_id, ttl=ttl, tags=_array(tags)
        )

    def clear(self, customer_id: str, *, ttl: timedelta, tags: Sequence[str] | None) -> Document:
        """Remove every line."""
        return self._outcome(_CLEAR, customer_id=customer_id, ttl=ttl, tags=_array(tags))

    def check_out(
        self, customer_id: str, *, expected_total: Decimal | None, tags: Sequence[str] | None
    ) -> Document:
        """Make the active cart an order."""
        return self._outcome(
            _CHECKOUT, customer_id=customer_id, expected_total=expected_total, tags=_array(tags)
        )

    def order(self, order_id: str) -> Document | None:
        """Return an order by its UUID, None when there is none."""
        return self._document(_ORDER, order_id=order_id)

    def _document(self, statement: sqlalchemy.TextClause, **parameters: object) -> Document | None:
        answer = self._connection.scalar(statement, parameters)
        if answer is None:
            return None
        document: Document = json.loads(answer)
        return document

    def _outcome(self, statement: sqlalchemy.TextClause, **parameters: object) -> Document:
        document = self._document(statement, **parameters)
        assert document is not None  # noqa: S101 - the functions always answer
        return document


def _array(tags: Sequence[str] | None) -> list[str] | None:
    # psycopg2 makes an array of a list only.
    return None if tags is None else list(tags)
