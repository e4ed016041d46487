"""What clients ask for: the mix of requests, over carts that are chosen evenly.

Customers and products are numbers written as text, because pgbench can draw nothing else.
Product 1 is the one whose quantity is set; adds go to the others, one piece each. So the pieces
of the other products tell how many adds there were, whatever was set in between.
"""

import enum
import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

ADDRESS = "127.0.0.1"
CARTS = "/api/v1/cart"
ITEMS = f"{CARTS}/items"
CHECKOUT = f"{CARTS}/checkout"

SET_PRODUCT = 1
MAX_SET_QUANTITY = 9
UNIT_PRICE = "9.50"
CURRENCY = "EUR"
CURRENCY_DECIMALS = 2


class Kind(enum.StrEnum):
    """A request of the mix."""

    READ = "read"
    ADD = "add"
    SET = "set"
    CHECKOUT = "checkout"


# Parts of a hundred.
MIX: Mapping[Kind, int] = {Kind.READ: 70, Kind.ADD: 25, Kind.SET: 4, Kind.CHECKOUT: 1}

EXPECTED: Mapping[Kind, frozenset[int]] = {
    Kind.READ: frozenset({200}),
    Kind.ADD: frozenset({201}),
    # A cart that was checked out, and opened again by an add, has no product 1.
    Kind.SET: frozenset({200, 404}),
    # A cart that was checked out and not opened again is empty.
    Kind.CHECKOUT: frozenset({201, 409}),
}


@dataclass(frozen=True)
class Size:
    """How many carts there are, and how many lines each has at the start."""

    carts: int
    lines: int

    @property
    def added_products(self) -> tuple[int, int]:
        """The first and last product that adds go to; one line grows a second one."""
        return SET_PRODUCT + 1, max(SET_PRODUCT + 1, self.lines)


@dataclass(frozen=True)
class Call:
    """One request."""

    customer: str
    kind: Kind
    method: str
    path: str
    body: Mapping[str, object] | None


def calls(size: Size, seed: int) -> Iterator[Call]:
    """Yield requests without end, the same ones for the same seed."""
    chosen = random.Random(seed)  # noqa: S311 - repeatable on purpose, and no secret
    kinds, weights = list(MIX), list(MIX.values())
    while True:
        kind = chosen.choices(kinds, weights)[0]
        yield _call(kind, str(chosen.randint(1, size.carts)), size, chosen)


@dataclass(frozen=True)
class Request:
    """A call as it is sent to the worker at a port."""

    kind: Kind
    port: int
    raw: bytes


def requests(
    found: Iterator[Call],
    count: int,
    *,
    ports: Sequence[int],
    headers: Callable[[str], Mapping[str, str]],
) -> Iterator[Request]:
    """Yield requests over HTTP/1.1, to each of the ports in turn.

    `headers` returns what a customer's requests carry.
    """
    for number in range(count):
        call, port = next(found), ports[number % len(ports)]
        carried = {"Host": f"{ADDRESS}:{port}", **headers(call.customer)}
        body = b""
        if call.body is not None:
            body = json.dumps(call.body).encode()
            carried |= {"Content-Type": "application/json", "Content-Length": str(len(body))}
        lines = [f"{name}: {value}" for name, value in carried.items()]
        head = "\r\n".join([f"{call.method} {call.path} HTTP/1.1", *lines, "", ""])
        yield Request(call.kind, port, head.encode() + body)


def _call(kind: Kind, customer: str, size: Size, chosen: random.Random) -> Call:
    if kind is Kind.READ:
        return Call(customer, kind, "GET", f"{CARTS}/{customer}", None)
    if kind is Kind.SET:
        path = f"{CARTS}/{customer}/items/{SET_PRODUCT}"
        return Call(customer, kind, "PUT", path, {"quantity": chosen.randint(1, MAX_SET_QUANTITY)})
    if kind is Kind.CHECKOUT:
        return Call(customer, kind, "POST", CHECKOUT, {"customer_id": customer})
    product = chosen.randint(*size.added_products)
    line = {
        "customer_id": customer,
        "product_id": str(product),
        "name": f"Product {product}",
        "unit_price": UNIT_PRICE,
        "currency": CURRENCY,
        "quantity": 1,
    }
    return Call(customer, kind, "POST", ITEMS, line)
