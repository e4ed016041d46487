import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from starlette.testclient import TestClient

from tests.support import carts
from tests.support.carts import Shopper, problem_of


def test_checkout_makes_an_order_of_the_cart(shopper: Shopper) -> None:
    shopper.add("mug", quantity=3, unit_price="9.50", members={"name": "Mug"})
    cart = shopper.add("tea", quantity=1, unit_price="4").json()
    answer = shopper.check_out()
    assert answer.status_code == 201
    order = answer.json()
    assert answer.headers["location"] == f"/api/v1/orders/{order['order_id']}"
    assert uuid.UUID(order.pop("order_id")).version == 4
    assert order.pop("created_at")
    assert order == {
        "cart_id": cart["cart_id"],
        "customer_id": shopper.customer_id,
        "currency": "EUR",
        "items": [
            {
                "line_no": 1,
                "product_id": "mug",
                "name": "Mug",
                "unit_price": "9.50",
                "quantity": 3,
                "line_total": "28.50",
            },
            {
                "line_no": 2,
                "product_id": "tea",
                "name": None,
                "unit_price": "4.00",
                "quantity": 1,
                "line_total": "4.00",
            },
        ],
        "item_count": 4,
        "total": "32.50",
    }


def test_order_is_read_where_location_says(shopper: Shopper) -> None:
    shopper.add()
    answer = shopper.check_out()
    found = shopper.client.get(answer.headers["location"])
    assert (found.status_code, found.json()) == (200, answer.json())


def test_unknown_order_is_not_found(client: TestClient) -> None:
    problem_of(client.get(f"/api/v1/orders/{uuid.uuid4()}"), 404, "order-not-found")
    problem_of(client.get("/api/v1/orders/7"), 422, "validation-failed")


def test_cart_is_empty_after_checkout_and_the_next_one_is_another(shopper: Shopper) -> None:
    tag = shopper.add().headers["etag"]
    cart_id = shopper.check_out().json()["cart_id"]
    assert shopper.cart()["cart_id"] is None
    answer = shopper.add()
    assert answer.json()["version"] == 1
    assert answer.json()["cart_id"] != cart_id
    assert answer.headers["etag"] != tag


def test_empty_cart_is_not_checked_out(shopper: Shopper) -> None:
    problem = problem_of(shopper.check_out(), 409, "cart-empty")
    assert problem["last_order_id"] is None
    shopper.add()
    order_id = shopper.check_out().json()["order_id"]
    problem = problem_of(shopper.check_out(), 409, "cart-empty")
    assert problem["last_order_id"] == order_id


@pytest.mark.parametrize("total", ["19", "19.00", 19, 19.0, "19.000"])
def test_expected_total_is_compared_as_an_amount(shopper: Shopper, total: object) -> None:
    shopper.add(quantity=2)
    assert shopper.check_out(expected_total=total).status_code == 201


def test_other_total_than_the_customer_saw_is_a_conflict(shopper: Shopper) -> None:
    shopper.add(quantity=2)
    problem = problem_of(shopper.check_out(expected_total="18.99"), 409, "cart-changed")
    assert (problem["current_total"], problem["currency"]) == ("19.00", "EUR")
    assert shopper.cart()["version"] == 1


@pytest.mark.parametrize("total", ["-1", "x", True, "1e3"])
def test_impossible_total_is_refused(shopper: Shopper, total: object) -> None:
    problem = problem_of(shopper.check_out(expected_total=total), 422, "validation-failed")
    assert problem["errors"][0]["pointer"] == "#/expected_total"


@pytest.mark.parametrize("number", ["1e-999999999", "1e-20000", "1e30"])
def test_total_that_postgresql_could_not_hold_is_refused(shopper: Shopper, number: str) -> None:
    body = f'{{"customer_id": "{shopper.customer_id}", "expected_total": {number}}}'
    headers = {"content-type": "application/json"}
    answer = shopper.client.post(carts.CHECKOUT, content=body, headers=headers)
    problem = problem_of(answer, 422, "validation-failed")
    assert problem["errors"][0]["pointer"] == "#/expected_total"


def test_misspelt_member_is_refused(shopper: Shopper) -> None:
    shopper.add()
    problem = problem_of(shopper.check_out(expected_totl="1"), 422, "validation-failed")
    assert problem["errors"][0]["pointer"] == "#/expected_totl"


def test_largest_cart_is_exact(shopper: Shopper) -> None:
    for number in range(3):
        shopper.add(f"p{number}", currency="KWD", unit_price="9999999999.999", quantity=999)
    order = shopper.check_out(expected_total="29969999999997.003").json()
    assert order["total"] == "29969999999997.003"


def test_order_keeps_its_prices(shopper: Shopper) -> None:
    shopper.add(unit_price="5")
    location = shopper.check_out().headers["location"]
    shopper.add(unit_price="7")
    assert shopper.client.get(location).json()["total"] == "5.00"


def test_concurrent_checkouts_make_one_order(shopper: Shopper) -> None:
    for round_number in range(1, 6):
        shopper.add(quantity=round_number)
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: shopper.check_out(), range(8)))
        assert Counter(answer.status_code for answer in answers) == {201: 1, 409: 7}
        [order] = [answer.json() for answer in answers if answer.status_code == 201]
        losers = [answer.json() for answer in answers if answer.status_code == 409]
        assert {loser["last_order_id"] for loser in losers} == {order["order_id"]}


def test_adds_racing_checkouts_are_all_sold_once(shopper: Shopper) -> None:
    def add(_: int) -> int:
        return shopper.add("mug", quantity=1).status_code

    with ThreadPoolExecutor(12) as pool:
        adds = [pool.submit(add, number) for number in range(120)]
        checkouts = [pool.submit(shopper.check_out) for _ in range(40)]
    assert {added.result() for added in adds} == {201}
    answers = [checkout.result() for checkout in checkouts]
    assert {answer.status_code for answer in answers} <= {201, 409}
    orders = [answer.json() for answer in answers if answer.status_code == 201]
    sold = sum(order["item_count"] for order in orders)
    assert sold + shopper.cart()["item_count"] == 120
    assert len({order["cart_id"] for order in orders}) == len(orders)


def test_database_itself_refuses_a_second_order_for_a_cart(own_url: str) -> None:
    with carts.running_client(carts.settings_for(own_url)) as client:
        shopper = carts.new_shopper(client)
        shopper.add()
        order = shopper.check_out().json()
        carts.run_sql(own_url, "UPDATE carts SET status = 'active'")
        # As if the checkout's mark had been lost: the order there is the answer.
        assert shopper.check_out().json() == order
        assert carts.run_sql(own_url, "SELECT count(*) FROM orders") == [(1,)]
