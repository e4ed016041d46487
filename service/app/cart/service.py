"""The use cases: check what needs no database, one round trip, then say what came of it."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol

import sqlalchemy

from app.cart import currencies, rules
from app.cart.repository import CartRepository, Document, Line
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
    """A cart and the tag that names this version of it."""

    cart: Document
    tag: str


class CartService:
    """What a shop does with carts."""

    def __init__(self, database: Connections, limits: rules.Limits) -> None:
        self._database = database
        self._limits = limits

    def read(self, customer_id: str) -> CartVersion:
        """Return the customer's cart; without one an empty cart, and nothing is written."""
        with self._database.connection() as connection:
            found = CartRepository(connection).read(customer_id)
        if found is None:
            return CartVersion(_empty_cart(customer_id), EMPTY_TAG)
        return CartVersion(found["cart"], found["tag"])

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
        result = self._cart(answer, line)
        if (old_price := answer["old_price"]) is not None:
            detail = f"the unit price was {old_price}, the line has the new one now"
            warning = {"code": "price-changed", "product_id": new.product_id, "detail": detail}
            result.cart["warnings"] = [warning]
        return result

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
        tag: str = answer["tag"]
        return tag

    def check_out(
        self, customer_id: str, expected_total: Decimal | None, tags: Tags = None
    ) -> Document:
        """Make the cart an order and return it."""
        with self._database.connection() as connection:
            answer = CartRepository(connection).check_out(
                customer_id, expected_total=expected_total, tags=tags
            )
        self._refuse(answer)
        order: Document = answer["order"]
        return order

    def order(self, order_id: str) -> Document:
        """Return an order."""
        with self._database.connection() as connection:
            found = CartRepository(connection).order(order_id)
        if found is None:
            raise NotFound("order-not-found", "there is no such order")
        return found

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

    def _cart(self, answer: Document, line: Line | None = None) -> CartVersion:
        self._refuse(answer, line)
        return CartVersion(answer["cart"], answer["tag"])

    def _refuse(self, answer: Document, line: Line | None = None) -> None:
        outcome = answer["outcome"]
        if outcome != "done":
            raise _REFUSALS[outcome](answer, self._limits, line)


def _empty_cart(customer_id: str) -> Document:
    return {
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


def _precondition_failed(answer: Document, *_: object) -> Refusal:
    version = answer["current_version"]
    return PreconditionFailed(
        "precondition-failed",
        f"the cart is at version {version}, which If-Match does not name",
        {"current_version": version, "tag": answer["tag"]},
    )


def _item_not_found(*_: object) -> Refusal:
    return NotFound("item-not-found", "the cart has no such product")


def _currency_needed(*_: object) -> Refusal:
    return Invalid("#/currency", "is needed for the first line of a cart")


def _price_decimals(answer: Document, *_: object) -> Refusal:
    decimals, currency = answer["decimals"], answer["currency"]
    return Invalid(
        "#/unit_price", f"must have at most {decimals} decimals, which is what {currency} has"
    )


def _currency_mismatch(answer: Document, _limits: object, line: Line | None) -> Refusal:
    asked = None if line is None else line.currency
    return StateConflict(
        "currency-mismatch",
        f"the cart is in {answer['currency']}, the line in {asked}",
        {"currency": answer["currency"]},
    )


def _quantity_limit(answer: Document, limits: rules.Limits, _line: object) -> Refusal:
    quantity, limit = answer["quantity"], limits.max_quantity
    return StateConflict(
        "quantity-limit",
        f"the line has {quantity} pieces, a line may have {limit}",
        {"quantity": quantity, "limit": limit},
    )


def _line_limit(_answer: object, limits: rules.Limits, _line: object) -> Refusal:
    return StateConflict(
        "line-limit", f"a cart may have {limits.max_lines} lines", {"limit": limits.max_lines}
    )


def _cart_empty(answer: Document, *_: object) -> Refusal:
    return StateConflict(
        "cart-empty",
        "there is nothing to check out",
        {"last_order_id": answer["last_order_id"]},
    )


def _cart_changed(answer: Document, *_: object) -> Refusal:
    total, currency = answer["current_total"], answer["currency"]
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
