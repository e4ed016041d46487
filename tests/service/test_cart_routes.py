"""The cart's own endpoints: what is read, added, set, removed and cleared, alone and at once."""

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from tests.support import carts, statements
from tests.support.carts import Shopper, problem_of

if TYPE_CHECKING:
    from collections.abc import Callable


def test_unknown_customer_has_an_empty_cart(shopper: Shopper) -> None:
    answer = shopper.client.get(shopper.path)
    assert answer.status_code == 200
    assert answer.headers["etag"] == '"empty"'
    assert answer.json() == {
        "cart_id": None,
        "customer_id": shopper.customer_id,
        "currency": None,
        "items": [],
        "item_count": 0,
        "line_count": 0,
        "total": "0",
        "version": 0,
        "updated_at": None,
        "expires_at": None,
    }


def test_reading_an_unknown_cart_writes_nothing(shopper: Shopper) -> None:
    shopper.cart()
    problem_of(shopper.client.delete(shopper.item_path("mug")), 404, "item-not-found")
    assert shopper.client.delete(shopper.path).status_code == 204
    assert shopper.cart()["cart_id"] is None


def test_added_item_is_in_the_cart(shopper: Shopper) -> None:
    answer = shopper.add("mug", quantity=3, unit_price="9.5", members={"name": "Mug"})
    assert answer.status_code == 201
    cart = answer.json()
    assert cart["items"] == [
        {
            "product_id": "mug",
            "name": "Mug",
            "unit_price": "9.50",
            "quantity": 3,
            "line_total": "28.50",
        }
    ]
    counts = (cart["item_count"], cart["line_count"], cart["total"], cart["currency"])
    assert counts == (3, 1, "28.50", "EUR")
    assert cart["version"] == 1
    assert "warnings" not in cart
    assert answer.headers["etag"] == f'"{cart["cart_id"]}.1"'
    assert shopper.cart() == cart


def test_adding_again_grows_the_line(shopper: Shopper) -> None:
    shopper.add("mug", quantity=3, members={"name": "Mug"})
    cart = shopper.add("mug", quantity=2).json()
    assert [(line["quantity"], line["name"]) for line in cart["items"]] == [(5, "Mug")]
    assert cart["version"] == 2


def test_lines_keep_the_order_of_their_adding(shopper: Shopper) -> None:
    for product in ("zebra", "apple", "mug"):
        shopper.add(product)
    shopper.add("zebra")
    assert [line["product_id"] for line in shopper.cart()["items"]] == ["zebra", "apple", "mug"]


def test_quantity_is_set(shopper: Shopper) -> None:
    shopper.add("mug", quantity=2)
    answer = shopper.client.put(shopper.item_path("mug"), json={"quantity": 7})
    assert answer.status_code == 200
    assert (answer.json()["item_count"], answer.json()["version"]) == (7, 2)
    assert answer.headers["etag"] == shopper.client.get(shopper.path).headers["etag"]


def test_same_quantity_changes_nothing(shopper: Shopper) -> None:
    before = shopper.add("mug", quantity=2).json()
    answer = shopper.client.put(shopper.item_path("mug"), json={"quantity": 2})
    assert answer.json() == before


def test_setting_an_unknown_item_is_not_found(shopper: Shopper) -> None:
    answer = shopper.client.put(shopper.item_path("mug"), json={"quantity": 2})
    problem_of(answer, 404, "item-not-found")
    shopper.add("tea")
    answer = shopper.client.put(shopper.item_path("mug"), json={"quantity": 2})
    problem_of(answer, 404, "item-not-found")


def test_item_is_removed(shopper: Shopper) -> None:
    shopper.add("mug")
    shopper.add("tea")
    answer = shopper.client.delete(shopper.item_path("mug"))
    assert answer.status_code == 200
    assert [line["product_id"] for line in answer.json()["items"]] == ["tea"]
    problem_of(shopper.client.delete(shopper.item_path("mug")), 404, "item-not-found")


def test_cart_is_cleared_and_clearing_again_is_fine(shopper: Shopper) -> None:
    shopper.add("mug")
    for _ in range(2):
        answer = shopper.client.delete(shopper.path)
        assert (answer.status_code, answer.content) == (204, b"")
    cart = shopper.cart()
    assert (cart["items"], cart["currency"], cart["total"], cart["version"]) == ([], None, "0", 2)
    assert answer.headers["etag"] == f'"{cart["cart_id"]}.2"'


def test_expired_cart_reads_as_empty_and_the_next_add_opens_a_new_one(own_url: str) -> None:
    with carts.running_client(carts.settings_for(own_url)) as client:
        shopper = carts.new_shopper(client)
        old = shopper.add("mug").json()
        carts.run_sql(own_url, "UPDATE carts SET expires_at = now() - interval '1 s'")
        assert shopper.cart()["cart_id"] is None
        problem_of(shopper.check_out(), 409, "cart-empty")
        cart = shopper.add("tea", headers={"if-match": '"empty"'}).json()
        assert cart["cart_id"] != old["cart_id"]
        assert [line["product_id"] for line in cart["items"]] == ["tea"]


def test_every_request_is_one_statement(own_url: str) -> None:
    chosen = carts.settings_for(own_url, db_pool_size=1)
    with statements.noted() as sent, carts.running_client(chosen) as client:
        shopper = carts.new_shopper(client)
        # Once each before: that is when a connection prepares a statement.
        shopper.add("mug")
        shopper.cart()
        client.put(shopper.item_path("mug"), json={"quantity": 2})
        client.delete(shopper.item_path("mug"))
        requests: tuple[Callable[[], object], ...] = (
            shopper.cart,
            shopper.add,
            lambda: client.put(shopper.item_path("mug"), json={"quantity": 9}),
            lambda: client.delete(shopper.item_path("mug")),
        )
        for request in requests:
            sent.clear()
            request()
            assert len(sent) == 1
        # Autocommit: no BEGIN and no COMMIT around it, which would be round trips too.
        with carts.service_of(client).carts._database.connection() as connection:  # noqa: SLF001 - its session
            raw = connection.connection.driver_connection
            assert raw is not None
            assert raw.autocommit


def test_sixteen_writers_on_one_line_lose_nothing(shopper: Shopper) -> None:
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: shopper.add("mug", quantity=2), range(160)))
    assert {answer.status_code for answer in answers} == {201}
    cart = shopper.cart()
    assert (cart["item_count"], cart["version"], cart["line_count"]) == (320, 160, 1)
    # Every answer shows the quantity of its own version.
    for answer in answers:
        assert answer.json()["item_count"] == 2 * answer.json()["version"]


def test_readers_never_see_lines_of_another_version(shopper: Shopper) -> None:
    with ThreadPoolExecutor(8) as pool:
        writes = [pool.submit(shopper.add, "mug") for _ in range(60)]
        reads = [pool.submit(shopper.cart) for _ in range(60)]
    assert {write.result().status_code for write in writes} == {201}
    for read in reads:
        assert read.result()["item_count"] == read.result()["version"]
