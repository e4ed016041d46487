"""A request with an Idempotency-Key has one effect and one answer, however often it is sent."""

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from starlette.testclient import TestClient

from tests.support import carts
from tests.support.carts import ITEMS, Shopper, problem_of

if TYPE_CHECKING:
    import httpx2

KEY = {"Idempotency-Key": '"8e03978e-40d5-43dd-bc93-6894a57f9324"'}


def _body(shopper: Shopper, **changed: object) -> dict[str, Any]:
    body = {
        "customer_id": shopper.customer_id,
        "product_id": "mug",
        "unit_price": "9.50",
        "currency": "EUR",
        "quantity": 2,
    }
    return {**body, **changed}


def _same(answer: "httpx2.Response", first: "httpx2.Response") -> bool:
    kept = ("etag", "location", "content-type")
    return (
        answer.status_code == first.status_code
        and answer.content == first.content
        and [answer.headers.get(name) for name in kept]
        == [first.headers.get(name) for name in kept]
    )


def test_an_add_sent_twice_adds_once(shopper: Shopper) -> None:
    first = shopper.add(quantity=2, headers=KEY)
    second = shopper.add(quantity=2, headers=KEY)

    assert first.status_code == 201
    assert "idempotent-replayed" not in first.headers
    assert _same(second, first)
    assert second.headers["idempotent-replayed"] == "true"
    assert shopper.cart()["item_count"] == 2


def test_a_checkout_sent_twice_makes_one_order(shopper: Shopper) -> None:
    shopper.add()
    request = {"customer_id": shopper.customer_id}
    answers = [shopper.client.post(carts.CHECKOUT, json=request, headers=KEY) for _ in range(2)]

    assert answers[0].status_code == 201
    assert _same(answers[1], answers[0])


def test_the_first_answer_is_kept_though_the_cart_has_changed(shopper: Shopper) -> None:
    first = shopper.add(headers=KEY)
    shopper.add("tea")

    assert _same(shopper.add(headers=KEY), first)


def test_warnings_are_part_of_the_answer(shopper: Shopper) -> None:
    shopper.add(unit_price="9.50")
    first = shopper.add(unit_price="8.00", headers=KEY)

    assert first.json()["warnings"]
    assert _same(shopper.add(unit_price="8.00", headers=KEY), first)


def test_a_refused_request_leaves_nothing(shopper: Shopper) -> None:
    request = {"customer_id": shopper.customer_id}
    refused = shopper.client.post(carts.CHECKOUT, json=request, headers=KEY)
    problem_of(refused, 409, "cart-empty")
    shopper.add()

    answer = shopper.client.post(carts.CHECKOUT, json=request, headers=KEY)

    assert answer.status_code == 201
    assert "idempotent-replayed" not in answer.headers


@pytest.mark.parametrize(
    ("changed", "query", "headers"),
    [
        ({"quantity": 3}, "", {}),
        ({}, "?a=b", {}),
        ({}, "", {"If-Match": "*"}),
    ],
    ids=["body", "query", "If-Match"],
)
def test_a_key_of_another_request_is_refused(
    shopper: Shopper, changed: dict[str, Any], query: str, headers: dict[str, str]
) -> None:
    shopper.client.post(ITEMS, json=_body(shopper), headers=KEY)

    answer = shopper.client.post(
        ITEMS + query, json=_body(shopper, **changed), headers={**KEY, **headers}
    )

    problem_of(answer, 422, "idempotency-key-reused")
    assert shopper.cart()["item_count"] == 2


def test_the_same_key_of_two_customers_is_two_keys(client: TestClient) -> None:
    shoppers = [carts.new_shopper(client) for _ in range(2)]

    answers = [shopper.add(headers=KEY) for shopper in shoppers]

    assert all("idempotent-replayed" not in answer.headers for answer in answers)
    assert all(shopper.cart()["item_count"] == 1 for shopper in shoppers)


def test_the_same_key_on_two_paths_is_two_keys(shopper: Shopper) -> None:
    shopper.add(headers=KEY)

    request = {"customer_id": shopper.customer_id}
    answer = shopper.client.post(carts.CHECKOUT, json=request, headers=KEY)

    assert answer.status_code == 201
    assert "order_id" in answer.json()


@pytest.mark.parametrize(
    "key", ["bare-key", '"quoted key"', r'"with \"quotes\" and \\"', "x" * 255]
)
def test_keys_as_clients_write_them(shopper: Shopper, key: str) -> None:
    for _ in range(2):
        assert shopper.add(headers={"Idempotency-Key": key}).status_code == 201

    assert shopper.cart()["item_count"] == 1


def test_a_quoted_key_is_the_bare_one(shopper: Shopper) -> None:
    shopper.add(headers={"Idempotency-Key": "one"})
    shopper.add(headers={"Idempotency-Key": '"one"'})

    assert shopper.cart()["item_count"] == 1


@pytest.mark.parametrize("key", ["", '""', "x" * 256, '"open', "two words", 'in"side', "ü"])
def test_a_key_that_is_none_is_refused(shopper: Shopper, key: str) -> None:
    answer = shopper.client.post(
        ITEMS, json=_body(shopper), headers={b"Idempotency-Key": key.encode("latin-1")}
    )

    problem_of(answer, 400, "invalid-header")
    assert shopper.cart()["item_count"] == 0


def test_two_keys_are_none(shopper: Shopper) -> None:
    header = ("Idempotency-Key", "one")
    answer = shopper.client.post(ITEMS, json=_body(shopper), headers=[header, header])

    problem_of(answer, 400, "invalid-header")
    assert shopper.cart()["item_count"] == 0


def test_a_request_waits_for_the_first_and_then_gives_way(migrated_url: str) -> None:
    settings = carts.settings_for(migrated_url, idempotency_wait_seconds=0.2)
    with carts.running_client(settings) as client, ThreadPoolExecutor(1) as pool:
        shopper = carts.new_shopper(client)
        shopper.add()
        with carts.open_transaction(migrated_url) as held:
            # The first waits for its cart, and holds its key meanwhile.
            held.exec_driver_sql(
                "SELECT 1 FROM carts WHERE customer_id = %s FOR UPDATE", (shopper.customer_id,)
            )
            first = pool.submit(shopper.add, headers=KEY)
            carts.wait_until(lambda: _waits_for_a_lock(migrated_url))

            second = shopper.add(headers=KEY)

            problem_of(second, 409, "idempotency-in-flight")
            assert int(second.headers["retry-after"]) >= 1
        assert first.result().status_code == 201
        assert _same(shopper.add(headers=KEY), first.result())


def test_a_request_gives_way_before_its_statement_is_ended(migrated_url: str) -> None:
    settings = carts.settings_for(
        migrated_url, idempotency_wait_seconds=5, db_statement_timeout_seconds=3
    )
    with carts.running_client(settings) as client, carts.open_transaction(migrated_url) as held:
        shopper = carts.new_shopper(client)
        held.exec_driver_sql(
            "INSERT INTO idempotency_keys"
            " (subject, customer_id, method, path, key, fingerprint, created_at)"
            " VALUES ('', %s, 'POST', %s, %s, '', now())",
            (shopper.customer_id, ITEMS, KEY["Idempotency-Key"].strip('"')),
        )

        problem_of(shopper.add(headers=KEY), 409, "idempotency-in-flight")


def _waits_for_a_lock(url: str) -> bool:
    rows = carts.run_sql(
        url,
        "SELECT 1 FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'",
    )
    return bool(rows)


@pytest.mark.parametrize(("hours", "items"), [(47, 1), (49, 2)])
def test_an_answer_is_kept_for_two_days(own_url: str, hours: int, items: int) -> None:
    with carts.running_client(carts.settings_for(own_url)) as client:
        shopper = carts.new_shopper(client)
        shopper.add(headers=KEY)
        age = f"interval '{hours} hours'"
        carts.run_sql(own_url, f"UPDATE idempotency_keys SET created_at = now() - {age}")  # noqa: S608 - of the test

        answer = shopper.add(headers=KEY)

        assert ("idempotent-replayed" in answer.headers) == (items == 1)
        assert shopper.cart()["item_count"] == items


def test_replays_are_counted_and_add_nothing(own_url: str) -> None:
    with carts.running_client(carts.settings_for(own_url)) as client:
        shopper = carts.new_shopper(client)
        for _ in range(3):
            shopper.add(quantity=2, headers=KEY)
        metrics = client.get("/metrics").text

    assert "carthub_replays_total 2.0" in metrics
    assert "carthub_items_added_total 2.0" in metrics
