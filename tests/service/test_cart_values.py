"""Quantities and ids that a cart takes, and those that it refuses, in the body and in the path."""

import secrets
from urllib.parse import unquote

import pytest
from starlette.testclient import TestClient

from tests.support import carts
from tests.support.carts import CARTS, ITEMS, Shopper, problem_of


@pytest.mark.parametrize("quantity", [0, -1, 1.5, 0.0, "3", True, None, 1000, 2**31, 2**70, []])
def test_impossible_quantity_is_refused(shopper: Shopper, quantity: object) -> None:
    problem = problem_of(shopper.add(quantity=quantity), 422, "validation-failed")
    assert [found["pointer"] for found in problem["errors"]] == ["#/quantity"]
    shopper.add("tea")
    answer = shopper.client.put(shopper.item_path("tea"), json={"quantity": quantity})
    problem_of(answer, 422, "validation-failed")


@pytest.mark.parametrize("written", ["3", "3.0", "3.000", "0.3e1", "30e-1"])
def test_whole_quantity_may_be_written_in_any_way(shopper: Shopper, written: str) -> None:
    # JSON has no integers; JSON Schema calls all of these one.
    answer = shopper.client.post(
        ITEMS,
        content=f"""{{"customer_id": "{shopper.customer_id}", "product_id": "mug",
        "unit_price": 1, "currency": "EUR", "quantity": {written}}}""",
        headers={"content-type": "application/json"},
    )
    assert answer.json()["item_count"] == 3


def test_quantity_limit_holds_over_adds(shopper: Shopper) -> None:
    shopper.add(quantity=999)
    problem = problem_of(shopper.add(), 409, "quantity-limit")
    assert (problem["quantity"], problem["limit"]) == (999, 999)
    assert shopper.cart()["version"] == 1


def test_line_limit_holds(migrated_url: str) -> None:
    with carts.running_client(carts.settings_for(migrated_url, cart_max_lines=2)) as client:
        shopper = carts.new_shopper(client)
        shopper.add("mug")
        shopper.add("tea")
        problem_of(shopper.add("pot"), 409, "line-limit")
        assert shopper.add("tea").status_code == 201


@pytest.mark.parametrize(
    "name", ["", "a" * 129, "nul\0", "line\n", "a/b", "\x7f", "\ud800", 7, None]
)
@pytest.mark.parametrize("member", ["customer_id", "product_id"])
def test_impossible_id_is_refused(shopper: Shopper, member: str, name: object) -> None:
    answer = shopper.add(members={member: name})
    problem = problem_of(answer, 422, "validation-failed")
    assert [found["pointer"] for found in problem["errors"]] == [f"#/{member}"]


def test_longest_ids_work(client: TestClient) -> None:
    shopper = Shopper(client, f"customer-{secrets.token_hex(60)}"[:128])
    product = "p" * 128
    assert len(shopper.customer_id) == 128
    assert shopper.add(product).status_code == 201
    item = shopper.item_path(product)
    assert client.put(item, json={"quantity": 2}).json()["item_count"] == 2
    assert client.delete(item).status_code == 200
    assert shopper.cart()["customer_id"] == shopper.customer_id


@pytest.mark.parametrize("name", ["%00", "a%0ab", "a" * 129])
def test_impossible_id_in_the_path_is_refused(client: TestClient, name: str) -> None:
    problem_of(client.get(f"/api/v1/cart/{name}"), 422, "validation-failed")
    problem_of(client.delete(f"/api/v1/cart/{name}"), 422, "validation-failed")
    problem_of(client.delete(f"/api/v1/cart/x/items/{name}"), 422, "validation-failed")


_NO_UTF_8 = ["%FF", "a%ffb", "%C3", "%ED%A0%80", "%EF%BF%BD%FF"]


@pytest.mark.parametrize("name", _NO_UTF_8)
def test_id_that_is_no_utf_8_is_refused(either_way: TestClient, name: str) -> None:
    replaced = Shopper(either_way, unquote(name))
    replaced.add()
    mug = {"product_id": "mug", "quantity": 1, "unit_price": 1, "currency": "EUR"}
    keyed = {"idempotency-key": "one"}
    for answer, named in (
        (either_way.delete(f"{CARTS}/{name}"), "customer_id"),
        (either_way.put(f"{CARTS}/{name}/items", json={"items": [mug]}, headers=keyed),
         "customer_id"),
        (either_way.delete(replaced.item_path(name)), "product_id"),
        (either_way.get(f"/api/v1/orders?customer_id={name}"), "customer_id"),
        (either_way.get(f"/api/v1/orders?customer_id=c&cursor={name}"), "cursor"),
        (either_way.get(f"/api/v1/orders/{name}"), "order_id"),
    ):  # fmt: skip
        problem = problem_of(answer, 422, "validation-failed")
        assert [found["pointer"] for found in problem["errors"]] == [f"#/{named}"]
    problem_of(either_way.get(f"/nothing/{name}"), 404, "route-not-found")
    assert replaced.cart()["item_count"] == 1
    replaced.check_out()


def test_replacement_character_is_one_like_any_other(shopper: Shopper) -> None:
    shopper.add("\ufffd")
    assert shopper.client.delete(shopper.item_path("%EF%BF%BD")).json()["items"] == []


@pytest.mark.parametrize(
    "product", ["items", "ünïcödé", "a b", "%", "'; DROP TABLE carts; --", "."]
)
def test_unusual_ids_work(shopper: Shopper, product: str) -> None:
    assert shopper.add(product).status_code == 201
    assert shopper.cart()["items"][0]["product_id"] == product
