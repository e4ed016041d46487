"""Merging one customer's cart into another's."""

from typing import TYPE_CHECKING, Any

import pytest
from starlette.testclient import TestClient

from tests.support import carts
from tests.support.carts import Shopper, problem_of

if TYPE_CHECKING:
    import httpx2


@pytest.fixture
def guest(client: TestClient) -> Shopper:
    return carts.new_shopper(client)


def _merge(target: Shopper, source: Shopper, **members: object) -> "httpx2.Response":
    headers = members.pop("headers", None)
    body = {"source_customer_id": source.customer_id, **members}
    assert headers is None or isinstance(headers, dict)
    return target.client.post(f"{target.path}/merge", json=body, headers=headers)


def _lines(cart: dict[str, Any]) -> dict[str, tuple[int, str]]:
    return {line["product_id"]: (line["quantity"], line["unit_price"]) for line in cart["items"]}


@pytest.mark.parametrize(
    ("strategy", "both", "warning"),
    [
        ("sum", (5, "2.00"), "price-kept"),
        ("keep-target", (2, "2.00"), None),
        ("use-source", (3, "3.00"), "price-changed"),
    ],
)
def test_strategies_decide_line_by_line(
    shopper: Shopper, guest: Shopper, strategy: str, both: tuple[int, str], warning: str | None
) -> None:
    shopper.add("mine", unit_price="1")
    before = shopper.add("both", quantity=2, unit_price="2").json()
    guest.add("both", quantity=3, unit_price="3")
    guest.add("theirs", unit_price="4")

    answer = _merge(shopper, guest, strategy=strategy)

    assert answer.status_code == 200
    cart = answer.json()
    assert _lines(cart) == {"mine": (1, "1.00"), "both": both, "theirs": (1, "4.00")}
    assert cart["version"] == before["version"] + 1
    assert [one["code"] for one in cart.get("warnings", [])] == ([warning] if warning else [])
    cart.pop("warnings", None)
    assert cart == shopper.cart()
    assert guest.cart()["cart_id"] is None


def test_the_sum_is_the_default(shopper: Shopper, guest: Shopper) -> None:
    shopper.add("mug", quantity=2)
    guest.add("mug", quantity=3)

    assert _lines(_merge(shopper, guest).json()) == {"mug": (5, "9.50")}


def test_a_customer_without_a_cart_takes_over_the_whole(shopper: Shopper, guest: Shopper) -> None:
    guest.add("mug", currency="USD", quantity=2)

    cart = _merge(shopper, guest).json()

    assert (cart["currency"], cart["item_count"], cart["version"]) == ("USD", 2, 1)


def test_an_empty_source_changes_nothing(shopper: Shopper, guest: Shopper) -> None:
    before = shopper.add("mug").json()
    guest.add("tea")
    guest.client.delete(guest.path)

    assert _merge(shopper, guest).json() == before
    assert _merge(guest, carts.new_shopper(guest.client)).json()["items"] == []


def test_the_target_s_lines_kept_are_no_change(shopper: Shopper, guest: Shopper) -> None:
    before = shopper.add("mug").json()
    guest.add("mug", quantity=5)

    answer = _merge(shopper, guest, strategy="keep-target")

    assert answer.json()["version"] == before["version"]
    assert guest.cart()["cart_id"] is None


def test_itself_is_refused(shopper: Shopper) -> None:
    shopper.add("mug")

    problem = problem_of(_merge(shopper, shopper), 422, "validation-failed")

    assert problem["errors"][0]["pointer"] == "#/source_customer_id"


def test_another_currency_is_refused_and_nothing_changes(shopper: Shopper, guest: Shopper) -> None:
    mine = shopper.add("mug", currency="EUR").json()
    theirs = guest.add("mug", currency="USD").json()

    problem = problem_of(_merge(shopper, guest), 409, "currency-mismatch")

    assert problem["detail"] == "the cart is in EUR, the lines in USD"
    assert (shopper.cart(), guest.cart()) == (mine, theirs)


def test_too_many_pieces_are_refused_and_nothing_changes(shopper: Shopper, guest: Shopper) -> None:
    mine = shopper.add("mug", quantity=999).json()
    theirs = guest.add("mug", quantity=1).json()

    problem = problem_of(_merge(shopper, guest), 409, "quantity-limit")

    assert (problem["product_id"], problem["quantity"], problem["limit"]) == ("mug", 999, 999)
    assert (shopper.cart(), guest.cart()) == (mine, theirs)


def test_too_many_lines_are_refused_and_nothing_changes(migrated_url: str) -> None:
    with carts.running_client(carts.settings_for(migrated_url, cart_max_lines=2)) as client:
        shopper, guest = carts.new_shopper(client), carts.new_shopper(client)
        shopper.add("a")
        guest.add("b")
        theirs = guest.add("c").json()

        problem_of(_merge(shopper, guest), 409, "line-limit")

        assert guest.cart() == theirs


def test_the_named_version_is_the_target_s(shopper: Shopper, guest: Shopper) -> None:
    tag = shopper.add("mug").headers["etag"]
    other = guest.add("mug").headers["etag"]

    problem_of(_merge(shopper, guest, headers={"If-Match": other}), 412, "precondition-failed")
    assert _merge(shopper, guest, headers={"If-Match": tag}).status_code == 200


def test_a_key_replays_it(shopper: Shopper, guest: Shopper) -> None:
    guest.add("mug")
    key = {"Idempotency-Key": "one"}
    first = _merge(shopper, guest, headers=key)
    guest.add("tea")

    second = _merge(shopper, guest, headers=key)

    assert second.content == first.content
    assert second.headers["idempotent-replayed"] == "true"
    assert set(_lines(guest.cart())) == {"tea"}


def test_a_strategy_that_is_none_is_refused(shopper: Shopper, guest: Shopper) -> None:
    problem = problem_of(_merge(shopper, guest, strategy="best"), 422, "validation-failed")

    assert problem["errors"][0]["pointer"] == "#/strategy"
