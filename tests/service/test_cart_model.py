"""Any sequence of requests leaves what a plain-Python model of the rules says."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from starlette.testclient import TestClient

from tests.support import carts
from tests.support.cart_model import MAX_LINES, MAX_QUANTITY, Refused, Shop, Warnings
from tests.support.carts import problem_of
from tests.support.sizes import size

if TYPE_CHECKING:
    import httpx2

NAMES = ("one", "other")
CUSTOMERS = st.sampled_from(NAMES)
# Few of each, so that requests meet: lines in both carts, other prices, a limit.
PRODUCTS = st.sampled_from(["a", "b", "c"])
PRICES = st.sampled_from([Decimal("0.00"), Decimal("9.99")])
CURRENCIES = st.sampled_from(["EUR"] * 5 + ["USD"])
QUANTITIES = st.integers(1, MAX_QUANTITY)
LINES = st.dictionaries(
    PRODUCTS, st.tuples(st.integers(0, MAX_QUANTITY), st.none() | PRICES), min_size=1
)
# Lines that can open a cart.
FILLED = st.dictionaries(PRODUCTS, st.tuples(QUANTITIES, PRICES), min_size=1, max_size=2)
STRATEGIES = st.sampled_from(["sum", "keep-target", "use-source"])
# Which version of the cart a write names in If-Match.
VERSIONS = st.sampled_from(["none"] * 5 + ["this", "any", "earlier"])

Lines = dict[str, tuple[int, Decimal | None]]


@dataclass(frozen=True)
class Sent:
    """A request with a key that was done, and its answer."""

    method: str
    path: str
    body: dict[str, Any]
    headers: dict[str, str]
    answer: "httpx2.Response"


class Requests(RuleBasedStateMachine):
    """Sends the same to the service and to the model."""

    client: TestClient
    url: str

    def __init__(self) -> None:
        super().__init__()
        self.model = Shop()
        self.run = secrets.token_hex(6)
        self.count = 0
        self.last: Sent | None = None
        # By customer, what GET has shown under each tag, in the order of the first time.
        self.shown: dict[str, dict[str, Any]] = {name: {} for name in NAMES}
        self.tags = dict.fromkeys(NAMES, '"empty"')

    def customer(self, name: str) -> str:
        return f"{name}-{self.run}"

    def path(self, name: str, rest: str = "") -> str:
        return f"{carts.CARTS}/{self.customer(name)}{rest}"

    def write(
        self,
        name: str,
        version: str,
        request: tuple[str, str, dict[str, Any] | None],
        act: Callable[[], Warnings],
        *,
        takes_key: bool = False,
    ) -> None:
        """Send a write, let the model do it too, and compare what came of it."""
        tag, headers = self.tags[name], {}
        if version != "none":
            earlier = [found for found in self.shown[name] if found != tag]
            older = earlier[-1] if earlier else '"none.1"'
            headers["If-Match"] = {"this": tag, "any": "*", "earlier": older}[version]
        is_other = version == "earlier" or (version == "any" and tag == '"empty"')
        is_keyed = takes_key and self.count % 2 == 0
        self.count += 1
        if is_keyed:
            headers["Idempotency-Key"] = f"{self.run}-{self.count}"
        method, path, body = request

        answer = self.client.request(method, path, json=body, headers=headers)

        try:
            warnings = _refuse_other_version() if is_other else act()
        except Refused as refused:
            problem_of(answer, carts.documented_statuses()[refused.code], refused.code)
            return
        assert answer.status_code < 300, answer.text
        given = answer.json().get("warnings", []) if answer.content else []
        assert [(one["code"], one["product_id"]) for one in given] == warnings
        if is_keyed and body is not None:
            self.last = Sent(method, path, body, headers, answer)

    @rule(
        name=CUSTOMERS,
        product=PRODUCTS,
        quantity=QUANTITIES,
        price=PRICES,
        currency=CURRENCIES,
        version=VERSIONS,
    )
    def add(
        self, name: str, product: str, quantity: int, price: Decimal, currency: str, version: str
    ) -> None:
        body = {
            "customer_id": self.customer(name),
            "product_id": product,
            "quantity": quantity,
            "unit_price": str(price),
            "currency": currency,
        }
        self.write(
            name,
            version,
            ("POST", carts.ITEMS, body),
            lambda: self.model.add(name, product, quantity, price, currency),
            takes_key=True,
        )

    @rule(name=CUSTOMERS, product=PRODUCTS, quantity=QUANTITIES, version=VERSIONS)
    def set_quantity(self, name: str, product: str, quantity: int, version: str) -> None:
        self.write(
            name,
            version,
            ("PUT", self.path(name, f"/items/{product}"), {"quantity": quantity}),
            lambda: self.model.set_quantity(name, product, quantity),
        )

    @rule(name=CUSTOMERS, product=PRODUCTS, version=VERSIONS)
    def remove(self, name: str, product: str, version: str) -> None:
        self.write(
            name,
            version,
            ("DELETE", self.path(name, f"/items/{product}"), None),
            lambda: self.model.remove(name, product),
        )

    @rule(name=CUSTOMERS, version=VERSIONS)
    def clear(self, name: str, version: str) -> None:
        request = ("DELETE", self.path(name), None)
        self.write(name, version, request, lambda: self.model.clear(name))

    @rule(name=CUSTOMERS, lines=LINES, currency=st.none() | CURRENCIES, version=VERSIONS)
    def set_items(self, name: str, lines: Lines, currency: str | None, version: str) -> None:
        items = [
            {"product_id": product, "quantity": quantity}
            | ({} if price is None else {"unit_price": str(price)})
            | ({} if currency is None else {"currency": currency})
            for product, (quantity, price) in lines.items()
        ]
        self.write(
            name,
            version,
            ("PUT", self.path(name, "/items"), {"items": items}),
            lambda: self.model.set_items(name, lines, currency),
            takes_key=True,
        )

    @initialize(lines=FILLED, others=FILLED)
    def begin(self, lines: Lines, others: Lines) -> None:
        self.set_items("one", lines, "EUR", "none")
        self.set_items("other", others, "EUR", "none")

    @rule(name=CUSTOMERS, strategy=STRATEGIES, lines=st.none() | FILLED, version=VERSIONS)
    def merge(self, name: str, strategy: str, lines: Lines | None, version: str) -> None:
        source = "other" if name == "one" else "one"
        if lines is not None:
            # Empty carts merge too easily.
            self.set_items(source, lines, "EUR", "none")
        body = {"source_customer_id": self.customer(source), "strategy": strategy}
        self.write(
            name,
            version,
            ("POST", self.path(name, "/merge"), body),
            lambda: self.model.merge(name, source, strategy),
            takes_key=True,
        )

    @rule(name=CUSTOMERS, version=VERSIONS)
    def check_out(self, name: str, version: str) -> None:
        self.write(
            name,
            version,
            ("POST", carts.CHECKOUT, {"customer_id": self.customer(name)}),
            lambda: self.model.check_out(name),
            takes_key=True,
        )

    @rule()
    def send_again(self) -> None:
        if self.last is not None:
            sent, first = self.last, self.last.answer
            again = self.client.request(
                sent.method, sent.path, json=sent.body, headers=sent.headers
            )
            assert (again.status_code, again.content) == (first.status_code, first.content)
            assert again.headers["idempotent-replayed"] == "true"

    @rule()
    def send_another_with_the_key(self) -> None:
        if self.last is not None:
            sent = self.last
            answer = self.client.request(
                sent.method, f"{sent.path}?other", json=sent.body, headers=sent.headers
            )
            problem_of(answer, 422, "idempotency-key-reused")

    @rule(name=CUSTOMERS)
    def expire(self, name: str) -> None:
        carts.run_sql(
            self.url,
            "UPDATE carts SET expires_at = now() - interval '1 second'"  # noqa: S608 - of the test
            f" WHERE status = 'active' AND customer_id = '{self.customer(name)}'",
        )
        self.model.expire(name)

    @invariant()
    def carts_agree(self) -> None:
        for name in NAMES:
            answer, expected = self.client.get(self.path(name)), self.model.cart(name)
            found, tag = answer.json(), answer.headers["etag"]
            assert _lines_of(found) == expected.shown
            assert (found["version"], found["currency"], Decimal(found["total"])) == (
                expected.version,
                expected.currency,
                expected.total,
            )
            # A tag never comes back with something else behind it.
            assert self.shown[name].setdefault(tag, found) == found
            self.tags[name] = tag

    def teardown(self) -> None:
        for name in NAMES:
            asked: dict[str, str | int] = {"customer_id": self.customer(name), "limit": 100}
            orders = self.client.get("/api/v1/orders", params=asked).json()["items"]
            expected = self.model.orders.get(name, [])
            assert [_lines_of(order) for order in orders] == [one.shown for one in expected]
            assert [Decimal(order["total"]) for order in orders] == [one.total for one in expected]


def _refuse_other_version() -> Warnings:
    raise Refused("precondition-failed")


def _lines_of(document: dict[str, Any]) -> list[tuple[str, int, Decimal]]:
    return [
        (line["product_id"], line["quantity"], Decimal(line["unit_price"]))
        for line in document["items"]
    ]


@pytest.mark.faults
@pytest.mark.timeout(size(short=300, full=3600))
def test_the_service_agrees_with_the_model(migrated_url: str) -> None:
    runs = size(short=40, full=1000)
    chosen = carts.settings_for(
        migrated_url, cart_max_quantity=MAX_QUANTITY, cart_max_lines=MAX_LINES
    )
    with carts.running_client(chosen) as client:
        Requests.client, Requests.url = client, migrated_url
        run_state_machine_as_test(
            Requests,
            settings=settings(
                max_examples=runs,
                stateful_step_count=30,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
    print(f"{runs} sequences of up to 30 requests: 0 differences")  # noqa: T201 - the figure
