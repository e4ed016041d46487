"""The use cases: check what needs no database, one round trip, then say what came of it.

Documents are JSON as PostgreSQL wrote it; nothing here takes one apart that clients may have as
it is.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, Protocol

import sqlalchemy

from app.cart import currencies, refusals, rules
from app.cart.repository import (
    Answer,
    CartRepository,
    Currency,
    Found,
    Line,
    OrderPlace,
    SetLine,
)
from app.errors import Invalid, NotFound

EMPTY_TAG = "empty"

# Of orders, before the last one's. A hundred orders of 500 lines were 24 MB in one answer.
_MOST_LINES_OF_A_PAGE = 1000

# What becomes of a product that is in both carts.
MergeStrategy = Literal["sum", "keep-target", "use-source"]

# Versions named by If-Match; None: the request names none.
Tags = Sequence[str] | None


class Connections(Protocol):
    """What lends database connections."""

    def connection(self) -> AbstractContextManager[sqlalchemy.Connection]:
        """Lend a connection in autocommit."""


@dataclass(frozen=True)
class NewLine:
    """A line as a client asks for it, its parts checked one by one."""

    product_id: str
    name: str | None
    unit_price: Decimal
    currency: str | None
    quantity: int


@dataclass(frozen=True)
class LineChange:
    """What a line is to be: quantity 0 for gone; None leaves name and price as they are."""

    product_id: str
    quantity: int
    name: str | None
    unit_price: Decimal | None
    currency: str | None


@dataclass(frozen=True)
class CartVersion:
    """A cart as JSON, and the tag that names this version of it."""

    document: str
    tag: str


@dataclass(frozen=True)
class NewOrder:
    """An order that a checkout made, as JSON."""

    document: str
    order_id: str


@dataclass(frozen=True)
class OrdersPage:
    """Orders as JSON, and the place of the last while there are more behind it."""

    documents: Sequence[str]
    following: OrderPlace | None


class CartService:
    """What a shop does with carts."""

    def __init__(self, database: Connections, limits: rules.Limits) -> None:
        self._database = database
        self._limits = limits

    def read(self, customer_ids: Sequence[str]) -> dict[str, CartVersion]:
        """Return each customer's cart; without one an empty cart, and nothing is written."""
        with self._database.connection() as connection:
            found = CartRepository(connection).read(customer_ids)
        return {customer_id: _version(customer_id, found) for customer_id in customer_ids}

    def add_item(self, customer_id: str, new: NewLine, tags: Tags = None) -> CartVersion:
        """Add pieces of a product; a changed price is taken over, with a warning."""
        rules.checked_quantity(new.quantity, self._limits.max_quantity)
        line = self._line(new)
        with self._database.connection() as connection:
            answer = CartRepository(connection).add_item(
                customer_id,
                line,
                max_quantity=self._limits.max_quantity,
                max_lines=self._limits.max_lines,
                ttl=self._limits.ttl,
                tags=tags,
            )
        changed = self._cart(answer, new.currency)
        if not answer.facts:
            return changed
        warning = _price_changed(new.product_id, answer.facts["old_price"])
        return CartVersion(_with_warnings(changed.document, [warning]), changed.tag)

    def set_quantity(
        self, customer_id: str, product_id: str, quantity: int, tags: Tags = None
    ) -> CartVersion:
        """Set a line's quantity; the same one again changes nothing."""
        rules.checked_quantity(quantity, self._limits.max_quantity)
        with self._database.connection() as connection:
            answer = CartRepository(connection).set_quantity(
                customer_id, product_id, quantity, ttl=self._limits.ttl, tags=tags
            )
        return self._cart(answer)

    def set_items(
        self, customer_id: str, lines: Sequence[LineChange], tags: Tags = None
    ) -> CartVersion:
        """Set several lines, all or none; changed prices are taken over, with warnings."""
        currency = self._one_currency(lines)
        with self._database.connection() as connection:
            answer = CartRepository(connection).set_items(
                customer_id,
                [self._set_line(index, line) for index, line in enumerate(lines)],
                currency,
                max_lines=self._limits.max_lines,
                ttl=self._limits.ttl,
                tags=tags,
            )
        code = None if currency is None else currency.code
        return self._several(customer_id, answer, _price_changed, code)

    def merge(
        self, customer_id: str, source_id: str, strategy: MergeStrategy, tags: Tags = None
    ) -> CartVersion:
        """Move another customer's lines into the cart; without any nothing changes."""
        if customer_id == source_id:
            raise Invalid("#/source_customer_id", "must be another customer's")
        with self._database.connection() as connection:
            answer = CartRepository(connection).merge(
                customer_id,
                source_id,
                strategy,
                max_quantity=self._limits.max_quantity,
                max_lines=self._limits.max_lines,
                ttl=self._limits.ttl,
                tags=tags,
            )
        warning = _price_changed if strategy == "use-source" else _price_kept
        return self._several(customer_id, answer, warning)

    def remove_item(self, customer_id: str, product_id: str, tags: Tags = None) -> CartVersion:
        """Remove a line."""
        with self._database.connection() as connection:
            answer = CartRepository(connection).remove_item(
                customer_id, product_id, ttl=self._limits.ttl, tags=tags
            )
        return self._cart(answer)

    def clear(self, customer_id: str, tags: Tags = None) -> str:
        """Remove every line, and return the tag of what is left."""
        with self._database.connection() as connection:
            answer = CartRepository(connection).clear(customer_id, ttl=self._limits.ttl, tags=tags)
        self._refuse(answer)
        return answer.tag

    def check_out(
        self, customer_id: str, expected_total: Decimal | None, tags: Tags = None
    ) -> NewOrder:
        """Make the cart an order and return it."""
        with self._database.connection() as connection:
            answer = CartRepository(connection).check_out(
                customer_id, expected_total=expected_total, tags=tags
            )
        self._refuse(answer)
        return NewOrder(answer.document, answer.facts["order_id"])

    def order(self, order_id: str, only_customer: str | None = None) -> str:
        """Return an order as JSON; with `only_customer` only one of theirs."""
        with self._database.connection() as connection:
            found = CartRepository(connection).order(order_id, only_customer)
        if found is None:
            raise NotFound("order-not-found", "there is no such order")
        return found

    def orders(self, customer_id: str, limit: int, after: OrderPlace | None) -> OrdersPage:
        """Return orders of a customer, youngest first, from after a place on."""
        with self._database.connection() as connection:
            # One more than asked for tells whether there are more.
            found = CartRepository(connection).orders(
                customer_id, limit=limit + 1, most_lines=_MOST_LINES_OF_A_PAGE, after=after
            )
        shown = [(document, place) for document, place in found[:limit] if document is not None]
        following = shown[-1][1] if len(found) > len(shown) else None
        return OrdersPage([document for document, _ in shown], following)

    def _line(self, new: NewLine) -> Line:
        return Line(
            product_id=new.product_id,
            name=new.name,
            unit_price=new.unit_price,
            price_decimals=rules.decimals_in(new.unit_price),
            currency=self._currency(new.currency),
            quantity=new.quantity,
        )

    def _one_currency(self, lines: Sequence[LineChange]) -> Currency | None:
        named = [(index, line.currency) for index, line in enumerate(lines) if line.currency]
        for index, code in named:
            if code != named[0][1]:
                raise Invalid(f"#/items/{index}/currency", "must be the one of all other lines")
        return self._currency(named[0][1] if named else None)

    def _currency(self, named: str | None) -> Currency | None:
        code = named or self._limits.default_currency
        decimals = None if code is None else currencies.decimals_of(code)
        if code is None or decimals is None:
            return None
        return Currency(code, decimals, is_default=named is None)

    def _set_line(self, index: int, line: LineChange) -> SetLine:
        if line.quantity > self._limits.max_quantity:
            most = self._limits.max_quantity
            raise Invalid(f"#/items/{index}/quantity", f"must be 0 to {most}")
        price = line.unit_price
        decimals = None if price is None else rules.decimals_in(price)
        return SetLine(line.product_id, line.quantity, line.name, price, decimals)

    def _several(
        self,
        customer_id: str,
        answer: Answer,
        warning: Callable[[str, str], Mapping[str, str]],
        currency: str | None = None,
    ) -> CartVersion:
        self._refuse(answer, currency)
        document = answer.document or _empty_cart(customer_id)
        if answer.facts:
            given_way = answer.facts["old_prices"]
            warnings = [warning(one["product_id"], one["old_price"]) for one in given_way]
            document = _with_warnings(document, warnings)
        return CartVersion(document, answer.tag)

    def _cart(self, answer: Answer, currency: str | None = None) -> CartVersion:
        self._refuse(answer, currency)
        return CartVersion(answer.document, answer.tag)

    def _refuse(self, answer: Answer, currency: str | None = None) -> None:
        if answer.outcome != "done":
            raise refusals.refusal(answer, self._limits, currency)


def _version(customer_id: str, carts: Mapping[str, Found]) -> CartVersion:
    found = carts.get(customer_id)
    if found is None:
        return CartVersion(_empty_cart(customer_id), EMPTY_TAG)
    return CartVersion(found.document, found.tag)


def _empty_cart(customer_id: str) -> str:
    cart: dict[str, object] = {
        "cart_id": None,
        "customer_id": customer_id,
        "currency": None,
        "items": [],
        "item_count": 0,
        "line_count": 0,
        "total": "0",
        "version": 0,
        "updated_at": None,
        "expires_at": None,
    }
    return json.dumps(cart, ensure_ascii=False)


def _price_changed(product_id: str, old_price: str) -> dict[str, str]:
    detail = f"the unit price was {old_price}, the line has the new one now"
    return {"code": "price-changed", "product_id": product_id, "detail": detail}


def _price_kept(product_id: str, old_price: str) -> dict[str, str]:
    detail = f"the source had it at {old_price}, the line keeps its own price"
    return {"code": "price-kept", "product_id": product_id, "detail": detail}


def _with_warnings(document: str, warnings: Sequence[Mapping[str, str]]) -> str:
    return json.dumps({**json.loads(document), "warnings": warnings}, ensure_ascii=False)
