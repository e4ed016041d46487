"""Money in a cart: how an amount is read and printed, and the one currency of all lines."""

from decimal import Decimal

import pytest

from tests.support import carts
from tests.support.carts import ITEMS, Shopper, problem_of

_JSON = {"content-type": "application/json"}


def test_changed_price_is_taken_over_with_a_warning(shopper: Shopper) -> None:
    shopper.add("mug", unit_price="9.50", quantity=2)
    cart = shopper.add("mug", unit_price="8").json()
    assert cart["total"] == "24.00"
    [warning] = cart["warnings"]
    assert (warning["code"], warning["product_id"]) == ("price-changed", "mug")
    assert "9.50" in warning["detail"]


def test_currency_may_be_left_out_once_the_cart_has_one(shopper: Shopper) -> None:
    problem = problem_of(shopper.add(currency=None), 422, "validation-failed")
    assert problem["errors"][0]["pointer"] == "#/currency"
    shopper.add()
    assert shopper.add("tea", currency=None).status_code == 201


def test_second_currency_is_a_conflict(shopper: Shopper) -> None:
    shopper.add()
    before = shopper.cart()
    problem = problem_of(shopper.add("tea", currency="USD"), 409, "currency-mismatch")
    assert problem["currency"] == "EUR"
    assert shopper.cart() == before


def test_emptied_cart_takes_another_currency(shopper: Shopper) -> None:
    shopper.add()
    assert shopper.client.delete(shopper.item_path("mug")).json()["currency"] is None
    assert shopper.add("tea", currency="JPY", unit_price=300).json()["total"] == "300"


@pytest.mark.parametrize(
    ("currency", "price", "printed"),
    [
        ("EUR", "0", "0.00"),
        ("EUR", "19.9", "19.90"),
        ("USD", "1.000", "1.00"),
        ("JPY", "1200", "1200"),
        ("JPY", "1200.00", "1200"),
        ("BHD", "1.234", "1.234"),
        ("EUR", "9999999999.99", "9999999999.99"),
        ("KWD", "9999999999.999", "9999999999.999"),
    ],
)
def test_price_is_printed_with_the_decimals_of_its_currency(
    shopper: Shopper, currency: str, price: str, printed: str
) -> None:
    cart = shopper.add(currency=currency, unit_price=price).json()
    assert cart["items"][0]["unit_price"] == printed


@pytest.mark.parametrize("number", ["19.90", "0.1", "1e2", "9999999999.99", "1.10000000000000000"])
def test_price_as_a_number_is_exact(shopper: Shopper, number: str) -> None:
    body = (
        f'{{"customer_id": "{shopper.customer_id}", "product_id": "mug", "currency": "EUR",'
        f' "quantity": 999, "unit_price": {number}}}'
    )
    answer = shopper.client.post(ITEMS, content=body, headers=_JSON)
    assert answer.status_code == 201, answer.text
    assert Decimal(answer.json()["total"]) == Decimal(number) * 999


@pytest.mark.parametrize(
    "price",
    [
        "-1", "1.999", "10000000000", "1e3", "abc", "", " 1", "NaN", "Infinity", "0x10", "1,5",
        "१", True, None, [], {}, -0.5, 1.999, 1e300, "9" * 5000,
    ],
)  # fmt: skip
def test_impossible_price_is_refused(shopper: Shopper, price: object) -> None:
    problem = problem_of(shopper.add(unit_price=price), 422, "validation-failed")
    assert [found["pointer"] for found in problem["errors"]] == ["#/unit_price"]
    assert shopper.cart()["version"] == 0


def test_decimals_are_held_against_the_cart_s_own_currency(shopper: Shopper) -> None:
    shopper.add("mug", currency="JPY", unit_price=300)
    problem = problem_of(
        shopper.add("tea", currency=None, unit_price="1.5"), 422, "validation-failed"
    )
    assert problem["errors"][0]["pointer"] == "#/unit_price"


@pytest.mark.parametrize("currency", ["eur", "EURO", "XXX", "", 978, "CLF", "UYW"])
def test_unknown_currency_is_refused(shopper: Shopper, currency: object) -> None:
    problem = problem_of(shopper.add(currency=currency), 422, "validation-failed")
    assert problem["errors"][0]["pointer"] == "#/currency"


def test_default_currency_of_the_setting_is_used(migrated_url: str) -> None:
    with carts.running_client(carts.settings_for(migrated_url, cart_currency="CHF")) as client:
        shopper = carts.new_shopper(client)
        assert shopper.add(currency=None).json()["currency"] == "CHF"


def test_default_currency_gives_way_to_the_carts_own(migrated_url: str) -> None:
    with carts.running_client(carts.settings_for(migrated_url, cart_currency="JPY")) as client:
        shopper = carts.new_shopper(client)
        shopper.add("mug", currency="USD", unit_price="2.50")
        cart = shopper.add("tea", currency=None, unit_price="1.50").json()
        assert (cart["currency"], cart["total"]) == ("USD", "4.00")
        problem_of(shopper.add("tea", currency="JPY", unit_price="2"), 409, "currency-mismatch")


def test_price_too_fine_for_a_new_cart_is_refused_and_opens_none(
    migrated_url: str, shopper: Shopper
) -> None:
    problem = problem_of(shopper.add(currency="JPY", unit_price="1.5"), 422, "validation-failed")
    (error,) = problem["errors"]
    assert error["detail"] == "must have at most 0 decimals, which is what JPY has"
    found = carts.run_sql(migrated_url, "SELECT customer_id FROM carts")
    assert (shopper.customer_id,) not in found
