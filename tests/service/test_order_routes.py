"""Pages of orders: complete, without doubles, whatever comes in between."""

import base64

import pytest
from starlette.testclient import TestClient

from tests.support import carts
from tests.support.carts import Shopper, problem_of

ORDERS = "/api/v1/orders"
NO_ID = "0" * 32


def _cursor(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode()


def _ordered(shopper: Shopper, count: int) -> list[str]:
    """Make orders, and return their ids, youngest first."""
    made = []
    for _ in range(count):
        shopper.add()
        made.append(shopper.check_out().json()["order_id"])
    return made[::-1]


def _page(shopper: Shopper, **query: object) -> tuple[list[str], str | None]:
    asked = {"customer_id": shopper.customer_id, **query}
    answer = shopper.client.get(ORDERS, params={key: str(one) for key, one in asked.items()})
    assert answer.status_code == 200, answer.text
    page = answer.json()
    return [order["order_id"] for order in page["items"]], page["next_cursor"]


def test_a_customer_without_orders_has_an_empty_page(shopper: Shopper) -> None:
    assert _page(shopper) == ([], None)


def test_orders_come_youngest_first_and_whole(shopper: Shopper) -> None:
    made = _ordered(shopper, 2)

    answer = shopper.client.get(ORDERS, params={"customer_id": shopper.customer_id})

    assert [order["order_id"] for order in answer.json()["items"]] == made
    assert answer.json()["items"][0] == shopper.client.get(f"{ORDERS}/{made[0]}").json()


def test_pages_follow_each_other_without_gap_or_double(shopper: Shopper) -> None:
    made = _ordered(shopper, 5)

    first, cursor = _page(shopper, limit=2)
    # Comes before the first page: no later one moves.
    _ordered(shopper, 1)
    second, cursor = _page(shopper, limit=2, cursor=cursor)
    third, last = _page(shopper, limit=2, cursor=cursor)

    assert [*first, *second, *third] == made
    assert last is None


def test_a_page_that_is_just_full_is_the_last(shopper: Shopper) -> None:
    _ordered(shopper, 2)

    assert _page(shopper, limit=2)[1] is None


def test_a_page_ends_early_behind_many_lines(
    shopper: Shopper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.cart.service._MOST_LINES_OF_A_PAGE", 3)
    made = []
    for number in range(4):
        for product in range(2):
            shopper.add(f"{number}-{product}")
        made.append(shopper.check_out().json()["order_id"])
    made.reverse()

    first, cursor = _page(shopper)
    second, last = _page(shopper, cursor=cursor)

    assert ([first, second], last) == ([made[:2], made[2:]], None)


def test_a_customer_sees_only_their_own(client: TestClient) -> None:
    mine, theirs = carts.new_shopper(client), carts.new_shopper(client)
    _ordered(theirs, 1)

    assert _page(mine) == ([], None)


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "!",
        "abc",
        "\u00fc",
        _cursor("2026-01-01T00:00:00 x"),
        _cursor(f"2026-01-01 {NO_ID}"),
        # Python can say this, PostgreSQL cannot.
        _cursor(f"2026-01-01T00:00:00+23:59 {NO_ID}"),
    ],
)
def test_a_cursor_that_is_not_ours_is_refused(shopper: Shopper, cursor: str) -> None:
    answer = shopper.client.get(
        ORDERS, params={"customer_id": shopper.customer_id, "cursor": cursor}
    )

    assert problem_of(answer, 422, "validation-failed")["errors"][0]["pointer"] == "#/cursor"


@pytest.mark.parametrize("limit", ["0", "101", "many"])
def test_a_limit_out_of_bounds_is_refused(shopper: Shopper, limit: str) -> None:
    answer = shopper.client.get(ORDERS, params={"customer_id": shopper.customer_id, "limit": limit})

    assert problem_of(answer, 422, "validation-failed")["errors"][0]["pointer"] == "#/limit"


def test_a_page_needs_a_customer(client: TestClient) -> None:
    answer = client.get(ORDERS)

    assert problem_of(answer, 422, "validation-failed")["errors"][0]["pointer"] == "#/customer_id"
