"""The use cases: check what needs no database, one round trip, then say what came of it.

Documents are JSON as PostgreSQL wrote it; nothing here takes one apart that clients may have as
it is.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol

import sqlalchemy

from app.cart import currencies, rules
from app.cart.repository import Answer, CartRepository, Line, OrderPlace
from app.errors import Invalid, NotFound, PreconditionFailed, Refusal, StateConflict

EMPTY_TAG = "empty"

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

    def read(self, customer_id: str) -> CartVersion:
        """Return the customer's cart; without one an empty cart, and nothing is written."""
        with self._database.connection() as connection:
            found = CartRepository(connection).read([customer_id]).get(customer_id)
        if found is None:
            return CartVersion(_empty_cart(customer_id), EMPTY_TAG)
        return CartVersion(found.document, found.tag)

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
        changed = self._cart(answer, line)
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
            found = CartRepository(connection).orders(customer_id, limit=limit + 1, after=after)
        shown = found[:limit]
        following = shown[-1][1] if len(found) > limit else None
        return OrdersPage([document for document, _ in shown], following)

    def _line(self, new: NewLine) -> Line:
        currency = new.currency or self._limits.default_currency
        decimals = None if currency is None else currencies.decimals_of(currency)
        if currency is not None and decimals is not None:
            rules.price_fits(new.unit_price, currency, decimals)
        return Line(
            product_id=new.product_id,
            name=new.name,
            unit_price=new.unit_price,
            price_decimals=rules.decimals_in(new.unit_price),
            currency=currency,
            currency_decimals=decimals,
            quantity=new.quantity,
        )

    def _cart(self, answer: Answer, line: Line | None = None) -> CartVersion:
        self._refuse(answer, line)
        return CartVersion(answer.document, answer.tag)

    def _refuse(self, answer: Answer, line: Line | None = None) -> None:
        if answer.outcome != "done":
            raise _REFUSALS[answer.outcome](answer, self._limits, line)


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


def _with_warnings(document: str, warnings: Sequence[Mapping[str, str]]) -> str:
    return json.dumps({**json.loads(document), "warnings": warnings}, ensure_ascii=False)


def _precondition_failed(answer: Answer, *_: object) -> Refusal:
    version = answer.facts["current_version"]
    return PreconditionFailed(
        "precondition-failed",
        f"the cart is at version {version}, which If-Match does not name",
        {"current_version": version, "tag": answer.tag},
    )


def _item_not_found(*_: object) -> Refusal:
    return NotFound("item-not-found", "the cart has no such product")


def _currency_needed(*_: object) -> Refusal:
    return Invalid("#/currency", "is needed for the first line of a cart")


def _price_decimals(answer: Answer, *_: object) -> Refusal:
    decimals, currency = answer.facts["decimals"], answer.facts["currency"]
    return Invalid(
        "#/unit_price", f"must have at most {decimals} decimals, which is what {currency} has"
    )


def _currency_mismatch(answer: Answer, _limits: object, line: Line | None) -> Refusal:
    asked = None if line is None else line.currency
    return StateConflict(
        "currency-mismatch",
        f"the cart is in {answer.facts['currency']}, the line in {asked}",
        {"currency": answer.facts["currency"]},
    )


def _quantity_limit(answer: Answer, limits: rules.Limits, _line: object) -> Refusal:
    quantity, limit = answer.facts["quantity"], limits.max_quantity
    return StateConflict(
        "quantity-limit",
        f"the line has {quantity} pieces, a line may have {limit}",
        {"quantity": quantity, "limit": limit},
    )


def _line_limit(_answer: object, limits: rules.Limits, _line: object) -> Refusal:
    return StateConflict(
        "line-limit", f"a cart may have {limits.max_lines} lines", {"limit": limits.max_lines}
    )


def _cart_empty(answer: Answer, *_: object) -> Refusal:
    return StateConflict(
        "cart-empty",
        "there is nothing to check out",
        {"last_order_id": answer.facts["last_order_id"]},
    )


def _cart_changed(answer: Answer, *_: object) -> Refusal:
    total, currency = answer.facts["current_total"], answer.facts["currency"]
    return StateConflict(
        "cart-changed",
        f"the total is {total} {currency}, not the expected one",
        {"current_total": total, "currency": currency},
    )


_REFUSALS: dict[str, Callable[[Any, Any, Any], Refusal]] = {
    "precondition-failed": _precondition_failed,
    "item-not-found": _item_not_found,
    "currency-needed": _currency_needed,
    "price-decimals": _price_decimals,
    "currency-mismatch": _currency_mismatch,
    "quantity-limit": _quantity_limit,
    "line-limit": _line_limit,
    "cart-empty": _cart_empty,
    "cart-changed": _cart_changed,
}
