from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from starlette.testclient import TestClient

from tests.support import carts, statements
from tests.support.carts import ITEMS, Shopper, problem_of

if TYPE_CHECKING:
    from collections.abc import Callable

_JSON = {"content-type": "application/json"}


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


def test_changed_price_is_taken_over_with_a_warning(shopper: Shopper) -> None:
    shopper.add("mug", unit_price="9.50", quantity=2)
    cart = shopper.add("mug", unit_price="8").json()
    assert cart["total"] == "24.00"
    [warning] = cart["warnings"]
    assert (warning["code"], warning["product_id"]) == ("price-changed", "mug")
    assert "9.50" in warning["detail"]


def test_lines_keep_the_order_of_their_adding(shopper: Shopper) -> None:
    for product in ("zebra", "apple", "mug"):
        shopper.add(product)
    shopper.add("zebra")
    assert [line["product_id"] for line in shopper.cart()["items"]] == ["zebra", "apple", "mug"]


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


@pytest.mark.parametrize(
    "name", ["", "a" * 129, "nul\0", "line\n", "a/b", "\x7f", "\ud800", 7, None]
)
@pytest.mark.parametrize("member", ["customer_id", "product_id"])
def test_impossible_id_is_refused(shopper: Shopper, member: str, name: object) -> None:
    answer = shopper.add(members={member: name})
    problem = problem_of(answer, 422, "validation-failed")
    assert [found["pointer"] for found in problem["errors"]] == [f"#/{member}"]


@pytest.mark.parametrize("name", ["%00", "a%0ab", "a" * 129])
def test_impossible_id_in_the_path_is_refused(client: TestClient, name: str) -> None:
    problem_of(client.get(f"/api/v1/cart/{name}"), 422, "validation-failed")
    problem_of(client.delete(f"/api/v1/cart/{name}"), 422, "validation-failed")
    problem_of(client.delete(f"/api/v1/cart/x/items/{name}"), 422, "validation-failed")


@pytest.mark.parametrize(
    "product", ["items", "ünïcödé", "a b", "%", "'; DROP TABLE carts; --", "."]
)
def test_unusual_ids_work(shopper: Shopper, product: str) -> None:
    assert shopper.add(product).status_code == 201
    assert shopper.cart()["items"][0]["product_id"] == product


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


def test_known_version_is_not_sent_again(shopper: Shopper) -> None:
    tag = shopper.add().headers["etag"]
    get = shopper.client.get
    for header in (tag, f'"other", W/{tag}', "*"):
        answer = get(shopper.path, headers={"if-none-match": header})
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer.headers["etag"] == tag
    shopper.add()
    assert get(shopper.path, headers={"if-none-match": tag}).status_code == 200


def test_star_does_not_match_a_cart_that_is_not_there(shopper: Shopper) -> None:
    answer = shopper.client.get(shopper.path, headers={"if-none-match": "*"})
    assert answer.status_code == 200


def test_write_to_another_version_is_refused(shopper: Shopper) -> None:
    old = shopper.add().headers["etag"]
    tag = shopper.add().headers["etag"]
    client, item = shopper.client, shopper.item_path("mug")
    headers = {"if-match": old}
    refused = [
        shopper.add(headers=headers),
        client.put(item, json={"quantity": 9}, headers=headers),
        client.delete(item, headers=headers),
        client.delete(shopper.path, headers=headers),
        client.post(carts.CHECKOUT, json={"customer_id": shopper.customer_id}, headers=headers),
    ]
    for answer in refused:
        problem = problem_of(answer, 412, "precondition-failed")
        assert problem["current_version"] == 2
        assert answer.headers["etag"] == tag
    assert shopper.cart()["version"] == 2
    assert shopper.add(headers={"if-match": f'"x", {tag}'}).status_code == 201


def test_first_add_can_demand_that_there_is_no_cart(shopper: Shopper) -> None:
    problem_of(shopper.add(headers={"if-match": "*"}), 412, "precondition-failed")
    assert shopper.add(headers={"if-match": '"empty"'}).status_code == 201
    problem_of(shopper.add(headers={"if-match": '"empty"'}), 412, "precondition-failed")
    assert shopper.add(headers={"if-match": "*"}).status_code == 201


def test_weak_tag_never_allows_a_write(shopper: Shopper) -> None:
    tag = shopper.add().headers["etag"]
    problem_of(shopper.add(headers={"if-match": f"W/{tag}"}), 412, "precondition-failed")


def test_quoted_star_is_a_tag_that_no_cart_has(shopper: Shopper) -> None:
    shopper.add()
    problem_of(shopper.add(headers={"if-match": '"*"'}), 412, "precondition-failed")
    answer = shopper.client.get(shopper.path, headers={"if-none-match": '"*"'})
    assert answer.status_code == 200


def test_tag_that_is_none_is_an_invalid_header(shopper: Shopper) -> None:
    problem_of(shopper.add(headers={"if-match": "1"}), 400, "invalid-header")
    answer = shopper.client.get(shopper.path, headers={"if-none-match": '"open'})
    problem_of(answer, 400, "invalid-header")


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
        with client.app.state.service.carts._database.connection() as connection:  # type: ignore[attr-defined]  # noqa: SLF001 - as above
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
