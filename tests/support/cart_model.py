"""Carts as a few lines of plain Python have them: what the service must agree with."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

MAX_QUANTITY = 9
MAX_LINES = 2


@dataclass
class Line:
    """A product in a cart."""

    quantity: int
    price: Decimal


@dataclass
class Cart:
    """A customer's active cart; version 0: there is none."""

    lines: dict[str, Line] = field(default_factory=dict)
    currency: str | None = None
    version: int = 0

    def changed(self) -> None:
        """Count a change; without lines there is no currency."""
        self.version += 1
        if not self.lines:
            self.currency = None

    @property
    def total(self) -> Decimal:
        """What it costs."""
        return sum((one.price * one.quantity for one in self.lines.values()), Decimal(0))


class Refused(Exception):
    """The rules say no, with this status."""

    def __init__(self, status: int) -> None:
        super().__init__(str(status))
        self.status = status


class Shop:
    """Carts by customer, and the totals of the orders made of them."""

    def __init__(self) -> None:
        self.carts: dict[str, Cart] = {}
        self.orders: dict[str, list[Decimal]] = {}

    def cart(self, customer: str) -> Cart:
        """Return the customer's cart, empty where there is none."""
        return self.carts.setdefault(customer, Cart())

    def add(
        self, customer: str, product: str, quantity: int, price: Decimal, currency: str
    ) -> None:
        """Add pieces; the line takes the price."""
        cart = self.cart(customer)
        _same_currency(cart, currency)
        known = cart.lines.get(product)
        if known is not None and known.quantity + quantity > MAX_QUANTITY:
            raise Refused(409)
        if known is None and len(cart.lines) >= MAX_LINES:
            raise Refused(409)
        before = 0 if known is None else known.quantity
        cart.lines[product] = Line(before + quantity, price)
        cart.currency = currency
        cart.changed()

    def set_quantity(self, customer: str, product: str, quantity: int) -> None:
        """Set a line."""
        cart = self.cart(customer)
        if product not in cart.lines:
            raise Refused(404)
        if cart.lines[product].quantity != quantity:
            cart.lines[product].quantity = quantity
            cart.changed()

    def remove(self, customer: str, product: str) -> None:
        """Remove a line."""
        cart = self.cart(customer)
        if product not in cart.lines:
            raise Refused(404)
        del cart.lines[product]
        cart.changed()

    def clear(self, customer: str) -> None:
        """Remove all lines."""
        cart = self.cart(customer)
        if cart.lines:
            cart.lines.clear()
            cart.changed()

    def set_items(
        self, customer: str, items: Mapping[str, tuple[int, Decimal | None]], currency: str | None
    ) -> None:
        """Set several lines, all or none."""
        cart = self.cart(customer)
        after = dict(cart.lines)
        for product, (quantity, price) in items.items():
            known = cart.lines.get(product)
            if quantity == 0:
                after.pop(product, None)
            elif known is None and price is None:
                # Behind the currency of the cart, which is looked at first.
                _same_currency(cart, currency)
                raise Refused(422)
            else:
                chosen = price if price is not None or known is None else known.price
                assert chosen is not None
                after[product] = Line(quantity, chosen)
        _same_currency(cart, currency)
        stays = any(quantity for quantity, _ in items.values())
        if stays and cart.currency is None and currency is None:
            raise Refused(422)
        if len(after) > max(len(cart.lines), MAX_LINES):
            raise Refused(409)
        if after != cart.lines:
            cart.currency = cart.currency or currency
            cart.lines = after
            cart.changed()

    def merge(self, target: str, source: str, strategy: str) -> None:
        """Move the source's lines into the target's cart."""
        into, of = self.cart(target), self.cart(source)
        if not of.lines:
            return
        if into.currency is not None and into.currency != of.currency:
            raise Refused(409)
        after = dict(into.lines)
        for product, line in of.lines.items():
            known = after.get(product)
            if known is None or strategy == "use-source":
                after[product] = line
            elif strategy == "sum":
                after[product] = Line(known.quantity + line.quantity, known.price)
        if any(one.quantity > MAX_QUANTITY for one in after.values()) or len(after) > MAX_LINES:
            raise Refused(409)
        if after != into.lines:
            into.lines, into.currency = after, of.currency
            into.changed()
        self.carts[source] = Cart()

    def check_out(self, customer: str) -> None:
        """Make the cart an order."""
        cart = self.cart(customer)
        if not cart.lines:
            raise Refused(409)
        self.orders.setdefault(customer, []).insert(0, cart.total)
        self.carts[customer] = Cart()


def _same_currency(cart: Cart, currency: str | None) -> None:
    if cart.currency is not None and currency is not None and cart.currency != currency:
        raise Refused(409)
