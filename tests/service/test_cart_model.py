"""Any sequence of requests leaves what a plain-Python model of the rules says."""

import secrets
from collections.abc import Callable
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
from tests.support.cart_model import MAX_LINES, MAX_QUANTITY, Refused, Shop
from tests.support.sizes import size

if TYPE_CHECKING:
    import httpx2

CUSTOMERS = st.sampled_from(["one", "other"])
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


class Requests(RuleBasedStateMachine):
    """Sends the same to the service and to the model."""

    client: TestClient

    def __init__(self) -> None:
        super().__init__()
        self.model = Shop()
        self.run = secrets.token_hex(6)
        self.keys = 0
        self.last: tuple[Callable[[], httpx2.Response], httpx2.Response] | None = None

    def customer(self, name: str) -> str:
        return f"{name}-{self.run}"

    def path(self, name: str, rest: str = "") -> str:
        return f"{carts.CARTS}/{self.customer(name)}{rest}"

    def agree(self, answer: "httpx2.Response", act: Callable[[], None]) -> None:
        """Let the model do it too, and compare whether it was refused."""
        expected = 0
        try:
            act()
        except Refused as refused:
            expected = refused.status
        found = answer.status_code if answer.status_code >= 400 else 0
        assert found == expected, answer.text

    def keyed(self, method: str, path: str, body: dict[str, Any]) -> "httpx2.Response":
        """Send with a key of its own, and remember how to send the same again."""
        self.keys += 1
        headers = {"Idempotency-Key": f"{self.run}-{self.keys}"}

        def send() -> "httpx2.Response":
            return self.client.request(method, path, json=body, headers=headers)

        answer = send()
        self.last = (send, answer) if answer.status_code < 400 else None
        return answer

    @rule(
        name=CUSTOMERS,
        product=PRODUCTS,
        quantity=QUANTITIES,
        price=PRICES,
        currency=CURRENCIES,
    )
    def add(self, name: str, product: str, quantity: int, price: Decimal, currency: str) -> None:
        body = {
            "customer_id": self.customer(name),
            "product_id": product,
            "quantity": quantity,
            "unit_price": str(price),
            "currency": currency,
        }
        answer = self.keyed("POST", carts.ITEMS, body)
        self.agree(answer, lambda: self.model.add(name, product, quantity, price, currency))

    @rule(name=CUSTOMERS, product=PRODUCTS, quantity=QUANTITIES)
    def set_quantity(self, name: str, product: str, quantity: int) -> None:
        path = self.path(name, f"/items/{product}")
        answer = self.client.put(path, json={"quantity": quantity})
        self.agree(answer, lambda: self.model.set_quantity(name, product, quantity))

    @rule(name=CUSTOMERS, product=st.none() | PRODUCTS)
    def remove(self, name: str, product: str | None) -> None:
        if product is None:
            self.agree(self.client.delete(self.path(name)), lambda: self.model.clear(name))
            return
        answer = self.client.delete(self.path(name, f"/items/{product}"))
        self.agree(answer, lambda: self.model.remove(name, product))

    @rule(name=CUSTOMERS, lines=LINES, currency=st.none() | CURRENCIES)
    def set_items(
        self, name: str, lines: dict[str, tuple[int, Decimal | None]], currency: str | None
    ) -> None:
        items = [
            {"product_id": product, "quantity": quantity}
            | ({} if price is None else {"unit_price": str(price)})
            | ({} if currency is None else {"currency": currency})
            for product, (quantity, price) in lines.items()
        ]
        answer = self.keyed("PUT", self.path(name, "/items"), {"items": items})
        self.agree(answer, lambda: self.model.set_items(name, lines, currency))

    @initialize(lines=FILLED, others=FILLED)
    def begin(
        self,
        lines: dict[str, tuple[int, Decimal | None]],
        others: dict[str, tuple[int, Decimal | None]],
    ) -> None:
        self.set_items("one", lines, "EUR")
        self.set_items("other", others, "EUR")

    @rule(target_name=CUSTOMERS, strategy=STRATEGIES, lines=FILLED)
    def merge(
        self, target_name: str, strategy: str, lines: dict[str, tuple[int, Decimal | None]]
    ) -> None:
        source = "other" if target_name == "one" else "one"
        # Empty carts merge too easily.
        self.set_items(source, lines, "EUR")
        body = {"source_customer_id": self.customer(source), "strategy": strategy}
        answer = self.keyed("POST", self.path(target_name, "/merge"), body)
        self.agree(answer, lambda: self.model.merge(target_name, source, strategy))

    @rule(name=CUSTOMERS)
    def check_out(self, name: str) -> None:
        answer = self.keyed("POST", carts.CHECKOUT, {"customer_id": self.customer(name)})
        self.agree(answer, lambda: self.model.check_out(name))

    @rule()
    def send_again(self) -> None:
        if self.last is not None:
            send, first = self.last
            again = send()
            assert (again.status_code, again.content) == (first.status_code, first.content)
            assert again.headers["idempotent-replayed"] == "true"

    @invariant()
    def carts_agree(self) -> None:
        for name in ("one", "other"):
            found, expected = self.client.get(self.path(name)).json(), self.model.cart(name)
            lines = {
                line["product_id"]: (line["quantity"], Decimal(line["unit_price"]))
                for line in found["items"]
            }
            assert lines == {p: (one.quantity, one.price) for p, one in expected.lines.items()}
            assert (found["version"], found["currency"], Decimal(found["total"])) == (
                expected.version,
                expected.currency,
                expected.total,
            )

    def teardown(self) -> None:
        for name in ("one", "other"):
            asked: dict[str, str | int] = {"customer_id": self.customer(name), "limit": 100}
            orders = self.client.get("/api/v1/orders", params=asked).json()["items"]
            assert [Decimal(order["total"]) for order in orders] == self.model.orders.get(name, [])


@pytest.mark.faults
@pytest.mark.timeout(size(short=300, full=3600))
def test_the_service_agrees_with_the_model(migrated_url: str) -> None:
    runs = size(short=40, full=1000)
    chosen = carts.settings_for(
        migrated_url, cart_max_quantity=MAX_QUANTITY, cart_max_lines=MAX_LINES
    )
    with carts.running_client(chosen) as client:
        Requests.client = client
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
