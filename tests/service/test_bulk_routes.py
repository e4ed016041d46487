"""Setting several lines at once: all of them or none, and one version for all."""

from typing import TYPE_CHECKING, Any

import pytest
from starlette.testclient import TestClient

from tests.support import carts
from tests.support.carts import Shopper, problem_of

if TYPE_CHECKING:
    import httpx2


def _put(shopper: Shopper, *items: dict[str, Any], **headers: str) -> "httpx2.Response":
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return shopper.client.put(f"{shopper.path}/items", json={"items": list(items)}, headers=named)


def _line(product_id: str, quantity: int, **members: Any) -> dict[str, Any]:
    return {"product_id": product_id, "quantity": quantity, **members}


def _new(product_id: str, quantity: int = 1, **members: Any) -> dict[str, Any]:
    return _line(product_id, quantity, **{"unit_price": "2.50", "currency": "EUR", **members})


def _quantities(cart: dict[str, Any]) -> dict[str, int]:
    return {line["product_id"]: line["quantity"] for line in cart["items"]}


def test_lines_are_set_removed_and_left_as_one_change(shopper: Shopper) -> None:
    for product in ("stays", "grows", "goes"):
        before = shopper.add(product, quantity=2).json()

    answer = _put(shopper, _line("grows", 5), _line("goes", 0), _new("comes", 3))

    assert answer.status_code == 200
    cart = answer.json()
    assert _quantities(cart) == {"stays": 2, "grows": 5, "comes": 3}
    assert cart["version"] == before["version"] + 1
    assert answer.headers["etag"] == f'"{cart["cart_id"]}.{cart["version"]}"'
    assert cart == shopper.cart()


def test_a_customer_without_a_cart_gets_one(shopper: Shopper) -> None:
    cart = _put(shopper, _new("b"), _new("a")).json()

    assert [line["product_id"] for line in cart["items"]] == ["b", "a"]
    assert (cart["currency"], cart["total"], cart["version"]) == ("EUR", "5.00", 1)


def test_the_same_again_changes_nothing(shopper: Shopper) -> None:
    first = _put(shopper, _new("mug", 2), _line("absent", 0))
    second = _put(shopper, _new("mug", 2), _line("absent", 0))

    assert second.json() == first.json()


def test_removing_from_no_cart_opens_none(shopper: Shopper) -> None:
    answer = _put(shopper, _line("absent", 0))

    assert (answer.status_code, answer.headers["etag"]) == (200, '"empty"')
    assert answer.json() == shopper.cart()
    assert answer.json()["cart_id"] is None


def test_removing_every_line_frees_the_currency(shopper: Shopper) -> None:
    shopper.add("mug", currency="EUR")

    assert _put(shopper, _line("mug", 0)).json()["currency"] is None
    assert _put(shopper, _new("mug", currency="USD")).json()["currency"] == "USD"


def test_a_changed_price_and_name_are_taken_over_with_a_warning(shopper: Shopper) -> None:
    shopper.add("mug", unit_price="9.50")

    cart = _put(shopper, _line("mug", 1, unit_price="8", name="Mug")).json()

    assert cart["items"][0]["unit_price"] == "8.00"
    assert cart["items"][0]["name"] == "Mug"
    warning = {"code": "price-changed", "product_id": "mug"}
    assert warning.items() <= cart["warnings"][0].items()
    assert "9.50" in cart["warnings"][0]["detail"]


@pytest.mark.parametrize(
    ("items", "pointer"),
    [
        ([_new("a"), _line("b", 1)], "#/items/1/unit_price"),
        ([_line("a", 1, unit_price="1")], "#/items/0/currency"),
        ([_new("a"), _new("b", currency="USD")], "#/items/1/currency"),
        ([_new("a"), _new("b", unit_price="1.001")], "#/items/1/unit_price"),
        ([_new("a"), _new("b", 1000)], "#/items/1/quantity"),
        ([_new("a", -1)], "#/items/0/quantity"),
        ([_line("a", True)], "#/items/0/quantity"),
        ([_new("a"), _new("a")], "#"),
        ([], "#/items"),
        ([_new(str(number)) for number in range(101)], "#/items"),
    ],
)
def test_what_can_never_work_is_refused_by_its_place(
    shopper: Shopper, items: list[dict[str, Any]], pointer: str
) -> None:
    answer = _put(shopper, *items)

    problem = problem_of(answer, 422, "validation-failed")
    assert [error["pointer"] for error in problem["errors"]] == [pointer]
    assert shopper.cart()["version"] == 0


def test_a_hundred_lines_are_taken(shopper: Shopper) -> None:
    answer = _put(shopper, *(_new(str(number)) for number in range(100)))

    assert (answer.status_code, answer.json()["line_count"]) == (200, 100)


def test_another_currency_is_refused_whole(shopper: Shopper) -> None:
    shopper.add("mug", currency="EUR")

    answer = _put(shopper, _line("mug", 5), _new("tea", currency="USD"))

    assert problem_of(answer, 409, "currency-mismatch")["currency"] == "EUR"
    assert _quantities(shopper.cart()) == {"mug": 1}


def test_a_line_too_many_is_refused_whole(migrated_url: str) -> None:
    with carts.running_client(carts.settings_for(migrated_url, cart_max_lines=3)) as client:
        shopper = carts.new_shopper(client)
        _put(shopper, _new("a"), _new("b"), _new("c"))

        refused = _put(shopper, _new("d"))
        taken = _put(shopper, _new("d"), _line("a", 0))

        assert problem_of(refused, 409, "line-limit")["limit"] == 3
        assert _quantities(taken.json()) == {"b": 1, "c": 1, "d": 1}


def test_only_the_named_version_is_written(shopper: Shopper) -> None:
    shopper.add("mug")

    answer = _put(shopper, _line("mug", 5), if_match='"empty"')

    assert problem_of(answer, 412, "precondition-failed")["current_version"] == 1
    assert _put(shopper, _line("mug", 5), if_match=answer.headers["etag"]).status_code == 200


def test_a_key_replays_it(shopper: Shopper) -> None:
    first = _put(shopper, _new("mug", 2), idempotency_key="one")
    shopper.add("mug")
    second = _put(shopper, _new("mug", 2), idempotency_key="one")

    assert second.headers["idempotent-replayed"] == "true"
    assert second.content == first.content
    assert _quantities(shopper.cart()) == {"mug": 3}


def test_a_default_currency_is_enough(migrated_url: str) -> None:
    with carts.running_client(carts.settings_for(migrated_url, cart_currency="JPY")) as client:
        cart = _put(carts.new_shopper(client), _line("tea", 1, unit_price="300")).json()

    assert (cart["currency"], cart["total"]) == ("JPY", "300")


def test_a_default_currency_gives_way_to_the_carts_own(migrated_url: str) -> None:
    with carts.running_client(carts.settings_for(migrated_url, cart_currency="JPY")) as client:
        shopper = carts.new_shopper(client)
        shopper.add("mug", currency="USD")
        assert _put(shopper, _line("tea", 1, unit_price="1.50")).json()["currency"] == "USD"
        problem_of(_put(shopper, _new("tea", currency="JPY")), 409, "currency-mismatch")
        assert _put(shopper, _line("tea", 0)).status_code == 200


def test_the_document_says_so(client: TestClient) -> None:
    operation = client.get("/openapi.json").json()["paths"]["/api/v1/cart/{customer_id}/items"][
        "put"
    ]

    headers = {found["name"] for found in operation["parameters"] if found["in"] == "header"}
    assert headers == {"If-Match", "Idempotency-Key"}
