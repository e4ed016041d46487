"""Many at once: nothing is lost, nothing happens twice. The counts are printed."""

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import pytest
from starlette.testclient import TestClient

from carthub_dev.tcp_proxy import TcpProxy
from tests.support import carts
from tests.support.carts import Shopper
from tests.support.sizes import size

pytestmark = [pytest.mark.faults, pytest.mark.timeout(size(short=180, full=3600))]


def test_sixteen_writers_of_one_line_lose_no_piece(shopper: Shopper) -> None:
    adds = size(short=10, full=60)

    def write(_: int) -> int:
        return sum(shopper.add("mug").status_code == 201 for _ in range(adds))

    with ThreadPoolExecutor(16) as pool:
        acknowledged = sum(pool.map(write, range(16)))

    (line,) = shopper.cart()["items"]
    print(f"16 writers: {line['quantity']} pieces of {acknowledged} acknowledged adds")  # noqa: T201
    assert line["quantity"] == acknowledged == 16 * adds


def test_eight_checkouts_of_one_cart_make_one_order(client: TestClient) -> None:
    count = size(short=40, full=1000)
    orders = []
    with ThreadPoolExecutor(8) as pool:
        for _ in range(count):
            shopper = carts.new_shopper(client)
            shopper.add("mug")
            answers = list(pool.map(lambda _, who=shopper: who.check_out(), range(8)))
            made = [answer.json() for answer in answers if answer.status_code == 201]
            refused = [answer.json() for answer in answers if answer.status_code == 409]
            assert len(made) + len(refused) == 8
            assert {one["last_order_id"] for one in refused} <= {one["order_id"] for one in made}
            orders += made

    print(f"{count} carts x 8 checkouts: {len(orders)} orders")  # noqa: T201 - the figure
    assert len(orders) == count


def test_adds_that_race_checkouts_are_in_an_order_or_in_the_next_cart(shopper: Shopper) -> None:
    rounds, is_over = size(short=60, full=2000), threading.Event()
    sold: list[int] = []

    def check_out() -> None:
        while not is_over.is_set():
            answer = shopper.check_out()
            assert answer.status_code in {201, 409}, answer.text
            if answer.status_code == 201:
                sold.append(answer.json()["item_count"])

    with ThreadPoolExecutor(5) as pool:
        cashiers = [pool.submit(check_out) for _ in range(2)]
        adders = [
            pool.submit(lambda: sum(shopper.add("mug").status_code == 201 for _ in range(rounds)))
            for _ in range(3)
        ]
        acknowledged = sum(adder.result() for adder in adders)
        is_over.set()
        for cashier in cashiers:
            cashier.result()

    left = shopper.cart()["item_count"]
    print(f"{acknowledged} adds: {sum(sold)} in {len(sold)} orders, {left} in the cart")  # noqa: T201
    assert acknowledged == 3 * rounds == sum(sold) + left


def test_an_answer_lost_after_the_commit_is_replayed(migrated_url: str) -> None:
    rounds = size(short=5, full=200)
    place = urlsplit(migrated_url)
    assert place.hostname is not None
    assert place.port is not None
    with TcpProxy((place.hostname, place.port)) as proxy:
        url = migrated_url.replace(f":{place.port}/", f":{proxy.port}/")
        with carts.running_client(carts.settings_for(url)) as client:
            orders = [_ordered_over_a_cut(client, proxy, number) for number in range(rounds)]

    print(f"{rounds} answers lost after the commit: {len(set(orders))} orders")  # noqa: T201
    assert len(set(orders)) == rounds


def _ordered_over_a_cut(client: TestClient, proxy: TcpProxy, number: int) -> str:
    """Check out while the reply to the COMMIT gets lost, and return the customer's only order."""
    shopper = carts.new_shopper(client)
    shopper.add("mug")
    cuts = itertools.count()

    def is_first_commit(sent: bytes) -> bool:
        return b"COMMIT" in sent and next(cuts) == 0

    proxy.loses_reply_to = is_first_commit
    key = {"Idempotency-Key": f"try-{number}"}
    request = {"customer_id": shopper.customer_id}
    answers: list[Any] = []
    while not answers or answers[-1].status_code == 503:
        answers.append(client.post(carts.CHECKOUT, json=request, headers=key))
    proxy.loses_reply_to = None

    assert next(cuts) >= 1, "the reply was cut"
    assert answers[-1].status_code == 201, answers[-1].text
    page = client.get("/api/v1/orders", params=request).json()["items"]
    assert [order["order_id"] for order in page] == [answers[-1].json()["order_id"]]
    assert shopper.cart()["items"] == []
    return str(page[0]["order_id"])
