"""Carts as a few lines of plain Python have them: what the service must agree with."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import NamedTuple

MAX_QUANTITY = 9
MAX_LINES = 2


class Line(NamedTuple):
    """A product in a cart, and when it came: the order in which lines are shown."""

    product: str
    quantity: int
    price: Decimal
    since: int


@dataclass
class Cart:
    """A customer's active cart; version 0: there is none."""

    lines: dict[str, Line] = field(default_factory=dict)
    currency: str | None = None
    version: int = 0

    def changed(self, lines: dict[str, Line], currency: str | None) -> None:
        """Count a change; without lines there is no currency."""
        self.lines = lines
        self.currency = currency if lines else None
        self.version += 1

    @property
    def shown(self) -> list[tuple[str, int, Decimal]]:
        """The lines as they are listed: product, quantity, price."""
        by_age = sorted(self.lines.values(), key=lambda line: line.since)
        return [(line.product, line.quantity, line.price) for line in by_age]

    @property
    def total(self) -> Decimal:
        """What it costs."""
        return sum((one.price * one.quantity for one in self.lines.values()), Decimal(0))


class Refused(Exception):
    """The rules say no, with this code."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


# The code of a warning, and the product.
Warnings = list[tuple[str, str]]
# What a merge says of a product with two prices.
_WARNINGS = {"sum": "price-kept", "use-source": "price-changed"}


class Shop:
    """Carts by customer, and the carts that became orders, youngest first."""

    def __init__(self) -> None:
        self.carts: dict[str, Cart] = {}
        self.orders: dict[str, list[Cart]] = {}
        self._clock = itertools.count()

    def cart(self, customer: str) -> Cart:
        """Return the customer's cart, empty where there is none."""
        return self.carts.setdefault(customer, Cart())

    def add(
        self, customer: str, product: str, quantity: int, price: Decimal, currency: str
    ) -> Warnings:
        """Add pieces; the line takes the price."""
        cart = self.cart(customer)
        _same_currency(cart, currency)
        known = cart.lines.get(product)
        line = Line(product, quantity, price, next(self._clock))
        if known is not None:
            line = line._replace(quantity=known.quantity + quantity, since=known.since)
        if known is not None and line.quantity > MAX_QUANTITY:
            raise Refused("quantity-limit")
        if known is None and len(cart.lines) >= MAX_LINES:
            raise Refused("line-limit")
        cart.changed({**cart.lines, product: line}, currency)
        is_other_price = known is not None and known.price != price
        return [("price-changed", product)] if is_other_price else []

    def set_quantity(self, customer: str, product: str, quantity: int) -> Warnings:
        """Set a line."""
        cart = self.cart(customer)
        known = cart.lines.get(product)
        if known is None:
            raise Refused("item-not-found")
        if known.quantity != quantity:
            line = known._replace(quantity=quantity)
            cart.changed({**cart.lines, product: line}, cart.currency)
        return []

    def remove(self, customer: str, product: str) -> Warnings:
        """Remove a line."""
        cart = self.cart(customer)
        if product not in cart.lines:
            raise Refused("item-not-found")
        cart.changed({p: one for p, one in cart.lines.items() if p != product}, cart.currency)
        return []

    def clear(self, customer: str) -> Warnings:
        """Remove all lines."""
        cart = self.cart(customer)
        if cart.lines:
            cart.changed({}, None)
        return []

    def set_items(
        self, customer: str, items: Mapping[str, tuple[int, Decimal | None]], currency: str | None
    ) -> Warnings:
        """Set several lines, all or none."""
        cart = self.cart(customer)
        _same_currency(cart, currency)
        after, warnings = dict(cart.lines), []
        for product, (quantity, price) in items.items():
            known = after.pop(product, None)
            if quantity == 0:
                continue
            chosen = price if price is not None or known is None else known.price
            if chosen is None:
                raise Refused("validation-failed")
            since = next(self._clock) if known is None else known.since
            after[product] = Line(product, quantity, chosen, since)
            if known is not None and known.price != chosen:
                warnings.append(("price-changed", product))
        stays = any(quantity for quantity, _ in items.values())
        if stays and cart.currency is None and currency is None:
            raise Refused("validation-failed")
        if len(after) > max(len(cart.lines), MAX_LINES):
            raise Refused("line-limit")
        if after != cart.lines:
            cart.changed(after, cart.currency or currency)
        return warnings

    def merge(self, target: str, source: str, strategy: str) -> Warnings:
        """Move the source's lines into the target's cart."""
        into, of = self.cart(target), self.cart(source)
        if not of.lines:
            return []
        if into.currency is not None and into.currency != of.currency:
            raise Refused("currency-mismatch")
        after, warnings = dict(into.lines), []
        for product, line in sorted(of.lines.items(), key=lambda item: item[1].since):
            known = into.lines.get(product)
            after[product] = line if known is None else _merged(known, line, strategy)
            if known is not None and known.price != line.price and strategy in _WARNINGS:
                warnings.append((_WARNINGS[strategy], product))
        if any(one.quantity > MAX_QUANTITY for one in after.values()):
            raise Refused("quantity-limit")
        if len(after) > MAX_LINES:
            raise Refused("line-limit")
        if after != into.lines:
            into.changed(after, of.currency)
        self.carts[source] = Cart()
        return warnings

    def check_out(self, customer: str) -> Warnings:
        """Make the cart an order."""
        cart = self.cart(customer)
        if not cart.lines:
            raise Refused("cart-empty")
        self.orders.setdefault(customer, []).insert(0, replace(cart))
        self.carts[customer] = Cart()
        return []

    def expire(self, customer: str) -> None:
        """Let the time of the cart pass."""
        self.carts[customer] = Cart()


def _merged(known: Line, line: Line, strategy: str) -> Line:
    if strategy == "sum":
        return known._replace(quantity=known.quantity + line.quantity)
    return line._replace(since=known.since) if strategy == "use-source" else known


def _same_currency(cart: Cart, currency: str | None) -> None:
    if cart.currency is not None and currency is not None and cart.currency != currency:
        raise Refused("currency-mismatch")
