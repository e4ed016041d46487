"""Many at once, in two processes' worth of service: nothing is lost, nothing happens twice.

Two applications share the database, as two pods do, each with a connection for every client of
its own, so that what is sent at once is at work at once. The counts are printed.
"""

import contextlib
import functools
import itertools
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar
from urllib.parse import urlsplit

import pytest
from starlette.testclient import TestClient

from carthub_dev.tcp_proxy import TcpProxy
from tests.support import carts
from tests.support.carts import Shopper
from tests.support.sizes import size

pytestmark = [pytest.mark.faults, pytest.mark.timeout(size(short=180, full=3600))]

T = TypeVar("T")

_CONNECTIONS = 8
_ORDERS = "/api/v1/orders"


@pytest.fixture(scope="module")
def pods(migrated_url: str) -> Iterator[Sequence[TestClient]]:
    settings = carts.settings_for(
        migrated_url, db_pool_size=_CONNECTIONS, cart_max_quantity=1_000_000, cart_max_lines=10_000
    )
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(carts.running_client(settings)) for _ in range(2)]


def _customer(pods: Sequence[TestClient]) -> list[Shopper]:
    """Return one customer, as each pod meets them."""
    first = carts.new_shopper(pods[0])
    return [first, *(Shopper(pod, first.customer_id) for pod in pods[1:])]


def _at_once(count: int, act: Callable[[int], T]) -> list[T]:
    """Return what `act` returns for each number; all of them begin together."""
    barrier = threading.Barrier(count)

    def begin(number: int) -> T:
        barrier.wait()
        return act(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(begin, range(count)))


@contextlib.contextmanager
def _meanwhile(*acts: Callable[[], object]) -> Iterator[None]:
    """Do each of these again and again, all at once, until the block ends."""
    is_over = threading.Event()

    def repeat(act: Callable[[], object]) -> None:
        while not is_over.is_set():
            act()

    with ThreadPoolExecutor(len(acts)) as pool:
        running = [pool.submit(repeat, act) for act in acts]
        try:
            yield
        finally:
            is_over.set()
        for one in running:
            one.result()


def _bought_or_in_a_cart(url: str, *customer_ids: str) -> Counter[str]:
    """Return the pieces of each product in all orders and active carts of customers."""
    owner = f"customer_id IN {(*customer_ids, '')}"
    rows = carts.run_sql(
        url,
        "SELECT product_id, sum(quantity) FROM ("  # noqa: S608 - ids of the test
        " SELECT i.product_id, i.quantity FROM order_items AS i JOIN orders AS o"
        f" ON o.id = i.order_id WHERE {owner}"
        " UNION ALL SELECT i.product_id, i.quantity FROM cart_items AS i JOIN carts AS c"
        f" ON c.id = i.cart_id WHERE c.status = 'active' AND {owner}"
        ") AS lines GROUP BY product_id",
    )
    return Counter({product: int(pieces) for product, pieces in rows})


def test_sixteen_writers_of_one_line_lose_no_piece(pods: Sequence[TestClient]) -> None:
    adds, customer = size(short=10, full=60), _customer(pods)

    def write(number: int) -> int:
        shopper = customer[number % 2]
        return sum(shopper.add("mug").status_code == 201 for _ in range(adds))

    acknowledged = sum(_at_once(16, write))

    cart = customer[0].cart()
    (line,) = cart["items"]
    print(f"16 writers: {line['quantity']} pieces of {acknowledged} acknowledged adds")  # noqa: T201 - the count of the run
    assert line["quantity"] == cart["version"] == acknowledged == 16 * adds


def test_eight_checkouts_of_one_cart_make_one_order(
    pods: Sequence[TestClient], migrated_url: str
) -> None:
    count = size(short=40, full=1000)
    made = {_the_one_order_of_eight_checkouts(_customer(pods)) for _ in range(count)}

    found = carts.run_sql(
        migrated_url,
        f"SELECT count(*), count(DISTINCT cart_id) FROM orders WHERE id IN {tuple(made)}",  # noqa: S608 - UUIDs
    )
    print(f"{count} carts x 8 checkouts: {len(made)} orders")  # noqa: T201 - the count of the run
    assert found == [(count, count)]


def _the_one_order_of_eight_checkouts(customer: Sequence[Shopper]) -> str:
    customer[0].add("mug")
    answers = _at_once(8, lambda number: customer[number % 2].check_out())

    (order_id,) = (answer.json()["order_id"] for answer in answers if answer.status_code == 201)
    refused = [answer.json() for answer in answers if answer.status_code == 409]
    assert [one["last_order_id"] for one in refused] == [order_id] * 7
    page = customer[0].client.get(_ORDERS, params={"customer_id": customer[0].customer_id})
    assert [order["order_id"] for order in page.json()["items"]] == [order_id]
    return str(order_id)


def test_adds_that_race_checkouts_are_in_an_order_or_in_the_next_cart(
    pods: Sequence[TestClient], migrated_url: str
) -> None:
    rounds, customer = size(short=60, full=2000), _customer(pods)
    sold: list[int] = []

    def add(number: int) -> list[str]:
        products = [f"{number}-{count}" for count in range(rounds)]
        return [one for one in products if customer[number % 2].add(one).status_code == 201]

    def check_out(shopper: Shopper) -> None:
        answer = shopper.check_out()
        assert answer.status_code in {201, 409}, answer.text
        if answer.status_code == 201:
            sold.append(answer.json()["item_count"])

    with _meanwhile(*(functools.partial(check_out, shopper) for shopper in customer)):
        acknowledged = [product for products in _at_once(4, add) for product in products]

    left = customer[0].cart()["item_count"]
    print(f"{len(acknowledged)} adds: {sum(sold)} in {len(sold)} orders, {left} in the cart")  # noqa: T201 - the count of the run
    assert len(acknowledged) == 4 * rounds == sum(sold) + left
    assert _bought_or_in_a_cart(migrated_url, customer[0].customer_id) == Counter(acknowledged)


def test_merges_of_all_directions_neither_lock_each_other_nor_lose_a_piece(
    pods: Sequence[TestClient], migrated_url: str
) -> None:
    rounds, customers = size(short=40, full=1500), [_customer(pods) for _ in range(3)]
    merges: list[Shopper] = []

    def merge(target: Shopper, source: Shopper) -> None:
        body = {"source_customer_id": source.customer_id}
        answer = target.client.post(f"{target.path}/merge", json=body)
        # A deadlock, which PostgreSQL ends, would be a 503.
        assert answer.status_code == 200, answer.text
        merges.append(target)

    def add(number: int) -> list[str]:
        # The same products in all carts, so that lines meet.
        products = [f"p-{count % 7}" for count in range(rounds)]
        for product in products:
            answer = customers[number % 3][number % 2].add(product)
            assert answer.status_code == 201, answer.text
        return products

    pairs = itertools.permutations(customers, 2)
    opposite = [
        functools.partial(merge, target[pod], source[pod])
        for pod, (target, source) in zip(itertools.cycle((0, 1)), pairs, strict=False)
    ]
    with _meanwhile(*opposite, customers[0][0].check_out):
        added = [product for products in _at_once(6, add) for product in products]

    ids = [customer[0].customer_id for customer in customers]
    found = _bought_or_in_a_cart(migrated_url, *ids)
    print(f"{len(merges)} merges, 6 directions: {found.total()} of {len(added)} pieces")  # noqa: T201 - the count of the run
    assert found == Counter(added)


def test_one_key_sent_twenty_times_at_once_has_one_effect_and_one_answer(
    pods: Sequence[TestClient],
) -> None:
    rounds = size(short=5, full=200)
    for number in range(rounds):
        _send_twenty_times(_customer(pods), {"Idempotency-Key": f"one-{number}"})

    print(f"{rounds} x 20 requests of one key: {rounds} orders, 20 equal answers each")  # noqa: T201 - the count of the run


def _send_twenty_times(customer: Sequence[Shopper], key: dict[str, str]) -> None:
    customer[0].add("mug")
    body = {"customer_id": customer[0].customer_id}
    answers = _at_once(
        20,
        lambda number: customer[number % 2].client.post(carts.CHECKOUT, json=body, headers=key),
    )

    seen = {(one.status_code, one.content, one.headers["location"]) for one in answers}
    assert len(seen) == 1
    assert answers[0].status_code == 201
    assert sum("idempotent-replayed" not in answer.headers for answer in answers) == 1
    page = customer[0].client.get(_ORDERS, params=body).json()["items"]
    assert [order["order_id"] for order in page] == [answers[0].json()["order_id"]]


def test_an_answer_lost_after_the_commit_is_replayed(migrated_url: str) -> None:
    rounds = size(short=5, full=200)
    place = urlsplit(migrated_url)
    assert place.hostname is not None
    assert place.port is not None
    with TcpProxy((place.hostname, place.port)) as proxy:
        url = migrated_url.replace(f":{place.port}/", f":{proxy.port}/")
        with carts.running_client(carts.settings_for(url)) as client:
            orders = [_ordered_over_a_cut(client, proxy, number) for number in range(rounds)]

    print(f"{rounds} answers lost after the commit: {len(set(orders))} orders")  # noqa: T201 - the count of the run
    assert len(set(orders)) == rounds


def test_an_answer_lost_without_a_key_says_that_the_write_may_have_happened(
    migrated_url: str,
) -> None:
    place = urlsplit(migrated_url)
    assert place.hostname is not None
    assert place.port is not None
    with TcpProxy((place.hostname, place.port)) as proxy:
        url = migrated_url.replace(f":{place.port}/", f":{proxy.port}/")
        with carts.running_client(carts.settings_for(url)) as client:
            shopper = carts.new_shopper(client)
            shopper.add("mug")
            proxy.loses_reply_to = lambda sent: b"EXECUTE cart_add_item_v1" in sent
            answer = shopper.add("mug")
            proxy.loses_reply_to = None
            detail = carts.problem_of(answer, 503, "unavailable")["detail"]
            assert detail == "the database's answer was lost; a write may have happened"
            assert shopper.cart()["item_count"] == 2


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
    page = client.get(_ORDERS, params=request).json()["items"]
    assert [order["order_id"] for order in page] == [answers[-1].json()["order_id"]]
    assert shopper.cart()["items"] == []
    return str(page[0]["order_id"])
