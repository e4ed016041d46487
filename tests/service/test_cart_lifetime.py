"""How long a cart lives: CART_TTL_DAYS from the last write that changed it."""

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.support import carts
from tests.support.carts import Shopper

_TTL_DAYS = 7


@pytest.fixture
def shopper(own_url: str) -> Iterator[Shopper]:
    with carts.running_client(carts.settings_for(own_url, cart_ttl_days=_TTL_DAYS)) as client:
        yield carts.new_shopper(client)


def _moments(cart: dict[str, Any]) -> tuple[datetime, datetime]:
    """Return when a cart was changed and when it expires."""
    updated_at, expires_at = (
        datetime.fromisoformat(cart[name]) for name in ("updated_at", "expires_at")
    )
    return updated_at, expires_at


def _lives_its_time(cart: dict[str, Any]) -> bool:
    updated_at, expires_at = _moments(cart)
    # PostgreSQL reads its clock for each.
    return abs(expires_at - updated_at - timedelta(days=_TTL_DAYS)) < timedelta(minutes=1)


def _merge(shopper: Shopper) -> None:
    guest = carts.new_shopper(shopper.client)
    guest.add("tea")
    body = {"source_customer_id": guest.customer_id}
    shopper.client.post(f"{shopper.path}/merge", json=body)


_CHANGES: dict[str, Callable[[Shopper], object]] = {
    "add": lambda shopper: shopper.add("mug"),
    "add another": lambda shopper: shopper.add("tea"),
    "set": lambda shopper: shopper.client.put(shopper.item_path("mug"), json={"quantity": 7}),
    "set several": lambda shopper: shopper.client.put(
        f"{shopper.path}/items", json={"items": [{"product_id": "mug", "quantity": 7}]}
    ),
    "merge": _merge,
    "remove": lambda shopper: shopper.client.delete(shopper.item_path("mug")),
    "clear": lambda shopper: shopper.client.delete(shopper.path),
}


def _aged(shopper: Shopper, url: str) -> dict[str, Any]:
    """Return a cart of a mug that nobody has changed for a day."""
    shopper.add("mug")
    carts.run_sql(
        url,
        "UPDATE carts SET updated_at = updated_at - interval '1 day',"
        " expires_at = expires_at - interval '1 day'",
    )
    return shopper.cart()


@pytest.mark.parametrize("what", _CHANGES)
def test_write_that_changes_a_cart_gives_it_its_whole_time(
    shopper: Shopper, own_url: str, what: str
) -> None:
    before = _aged(shopper, own_url)

    _CHANGES[what](shopper)

    cart = shopper.cart()
    assert cart["version"] == before["version"] + 1
    assert _lives_its_time(cart)
    assert _moments(cart)[0] - _moments(before)[0] > timedelta(hours=23)


@pytest.mark.parametrize("what", ["add", "set several", "merge"])
def test_new_cart_has_its_whole_time(shopper: Shopper, what: str) -> None:
    if what == "set several":
        line = {"product_id": "mug", "unit_price": "9.50", "currency": "EUR", "quantity": 1}
        shopper.client.put(f"{shopper.path}/items", json={"items": [line]})
    else:
        _CHANGES[what](shopper)

    assert _lives_its_time(shopper.cart())


def test_write_that_changes_nothing_gives_no_time(shopper: Shopper, own_url: str) -> None:
    before = _aged(shopper, own_url)

    shopper.client.put(shopper.item_path("mug"), json={"quantity": 1})

    assert shopper.cart() == before
