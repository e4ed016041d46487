import asyncio
import threading
from collections.abc import MutableMapping
from typing import Any

import pytest
from starlette.testclient import TestClient

from app.main import create_app
from app.migrations import command
from tests.support import carts
from tests.support.carts import CARTS, CHECKOUT, ITEMS, Shopper, problem_of

_JSON = {"content-type": "application/json"}


def test_problem_has_every_member(shopper: Shopper) -> None:
    answer = shopper.add(quantity=0)
    document = answer.json()
    assert document.pop("trace_id")
    assert document == {
        "type": "urn:carthub:problem:validation-failed",
        "title": "The request is not valid",
        "status": 422,
        "detail": "quantity: Input should be greater than or equal to 1",
        "instance": "/api/v1/cart/items",
        "code": "validation-failed",
        "errors": [
            {"pointer": "#/quantity", "detail": "Input should be greater than or equal to 1"}
        ],
    }


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/api/v1/cart/c%201/items/%C3%BC%3F", 404, "item-not-found"),
        ("/api/v1/nothing%20%22here%22", 404, "route-not-found"),
        ("/api/v1/orders/a%20b", 405, "method-not-allowed"),
    ],
)
def test_instance_is_the_path_as_it_was_sent(
    client: TestClient, path: str, status: int, code: str
) -> None:
    problem = problem_of(client.put(path, json={"quantity": 1}), status, code)
    assert problem["instance"] == path


@pytest.mark.parametrize("quantity", ["3", 0, -1])
def test_everything_wrong_is_named_at_once(client: TestClient, quantity: object) -> None:
    answer = client.post(ITEMS, json={"quantity": quantity, "unit_price": "-1"})
    problem = problem_of(answer, 422, "validation-failed")
    assert [found["pointer"] for found in problem["errors"]] == [
        "#/customer_id",
        "#/product_id",
        "#/unit_price",
        "#/quantity",
    ]


def test_limit_that_is_a_setting_is_named_alone(shopper: Shopper) -> None:
    problem = problem_of(shopper.add(quantity=1000), 422, "validation-failed")
    assert problem["errors"] == [{"pointer": "#/quantity", "detail": "must be 1 to 999"}]


@pytest.mark.parametrize(("wrong", "end"), [(100, "not permitted"), (5000, "; and 4900 more")])
def test_no_more_than_a_hundred_errors_are_named(client: TestClient, wrong: int, end: str) -> None:
    answer = client.put(f"{CARTS}/a/items/b", json={f"x{n}": 1 for n in range(1, wrong)})
    problem = problem_of(answer, 422, "validation-failed")
    assert len(problem["errors"]) == 100
    assert problem["errors"][0]["pointer"] == "#/quantity"
    assert problem["detail"].endswith(end)
    assert len(answer.content) < 20_000


@pytest.mark.parametrize(
    "body", [b"{", b"\xff", b"NaN", b'{"a": Infinity}', b"[" * 100_000, b"1" * 5000, b" "]
)
def test_body_that_is_no_json_is_malformed(client: TestClient, body: bytes) -> None:
    answer = client.post(ITEMS, content=body, headers=_JSON)
    problem_of(answer, 400, "malformed-json")


@pytest.mark.parametrize("body", [b"[]", b"null", b'"x"', b"1", b"{}"])
def test_json_of_another_shape_is_not_valid(client: TestClient, body: bytes) -> None:
    answer = client.post(ITEMS, content=body, headers=_JSON)
    problem_of(answer, 422, "validation-failed")


@pytest.mark.parametrize("number", ["1e99999999999999999999", "-1e99999999999999999999"])
@pytest.mark.parametrize(
    ("method", "path", "body", "pointer"),
    [
        ("POST", ITEMS, '{"customer_id": "a", "product_id": "b", "quantity": 1, "unit_price": N}',
         "#/unit_price"),
        ("POST", ITEMS, '{"customer_id": "a", "product_id": "b", "unit_price": 1, "quantity": N}',
         "#/quantity"),
        ("PUT", f"{CARTS}/a/items/b", '{"quantity": N}', "#/quantity"),
        ("PUT", f"{CARTS}/a/items", '{"items": [{"product_id": "b", "quantity": N}]}',
         "#/items/0/quantity"),
    ],
)  # fmt: skip
def test_number_beyond_all_numbers_is_not_valid(
    client: TestClient, method: str, path: str, body: str, pointer: str, number: str
) -> None:
    answer = client.request(method, path, content=body.replace("N", number), headers=_JSON)
    problem = problem_of(answer, 422, "validation-failed")
    assert [error["pointer"] for error in problem["errors"]] == [pointer]


@pytest.mark.parametrize("given", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_other_media_types_are_refused(client: TestClient, given: str) -> None:
    answer = client.post(ITEMS, content=b"{}", headers={"content-type": given})
    problem_of(answer, 415, "unsupported-media-type")


def test_unknown_path_is_a_problem(client: TestClient) -> None:
    problem_of(client.get("/api/v2/cart"), 404, "route-not-found")
    # Ids have no slash.
    problem_of(client.get("/api/v1/cart/a%2Fb"), 404, "route-not-found")


@pytest.mark.parametrize("slash", ["%2F", "%2f"])
def test_encoded_slash_in_an_id_never_reaches_another_cart(
    shopper: Shopper, either_way: TestClient, slash: str
) -> None:
    shopper.add()
    path = f"{shopper.path}{slash}items{slash}mug"
    problem = problem_of(either_way.delete(path), 404, "route-not-found")
    assert problem["instance"] == path
    put = either_way.put(f"{shopper.path}/items{slash}mug", json={"quantity": 2})
    problem_of(put, 404, "route-not-found")
    assert shopper.cart()["item_count"] == 1


def test_line_feed_behind_a_path_is_a_part_of_it(shopper: Shopper, either_way: TestClient) -> None:
    shopper.add()
    for path in ("/health/ready", "/docs", "/openapi.json", "/docs/assets/favicon.png"):
        problem_of(either_way.get(f"{path}%0A"), 404, "route-not-found")
    merge = either_way.post(f"{shopper.path}/merge%0A", json={"source_customer_id": "guest"})
    problem_of(merge, 404, "route-not-found")
    # The path of a customer whom nobody may have, which takes other methods.
    members = {"customer_id": shopper.customer_id}
    checkout = either_way.post(f"{CHECKOUT}%0A", json=members)
    problem_of(checkout, 405, "method-not-allowed")
    assert checkout.headers["allow"] == "DELETE, GET, HEAD"
    for path in (f"{shopper.path}%0A", f"{shopper.item_path('mug')}%0A"):
        problem_of(either_way.delete(path), 422, "validation-failed")
    assert shopper.cart()["item_count"] == 1


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        (f"{CARTS}/someone", "DELETE, GET, HEAD"),
        (f"{CARTS}/someone%3Fb/items/mug", "DELETE, PUT"),
        # A path of the document's own, before that of the cart of a customer with this name.
        (ITEMS, "POST"),
        (CHECKOUT, "POST"),
        ("/health/ready", "GET, HEAD"),
    ],
)
def test_unknown_method_names_those_that_work(client: TestClient, path: str, allowed: str) -> None:
    answer = client.patch(path)
    problem_of(answer, 405, "method-not-allowed")
    assert answer.headers["allow"] == allowed
    for method in allowed.split(", "):
        assert client.request(method, path).status_code != 405


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/docs", "GET, HEAD"),
        ("POST", "/openapi.json", "GET, HEAD"),
        ("DELETE", "/docs/assets/favicon.png", "GET, HEAD"),
    ],
)
def test_methods_of_the_documentation_are_named(
    client: TestClient, method: str, path: str, allowed: str
) -> None:
    answer = client.request(method, path)
    assert answer.status_code == 405
    assert sorted(answer.headers["allow"].split(", ")) == sorted(allowed.split(", "))


def test_slash_too_many_is_an_unknown_path(shopper: Shopper) -> None:
    answer = shopper.client.get(f"{shopper.path}/", follow_redirects=False)
    problem_of(answer, 404, "route-not-found")


def test_client_that_leaves_is_no_failure_of_the_service(migrated_url: str) -> None:
    scope = {
        "type": "http",
        "method": "POST",
        "path": ITEMS,
        "query_string": b"",
        "headers": [(b"content-type", b"application/json")],
    }
    sent: list[MutableMapping[str, Any]] = []

    async def gone() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    with carts.running_client(carts.settings_for(migrated_url)) as client:
        asyncio.run(client.app(scope, gone, send))  # type: ignore[arg-type] # also an ASGI2 class
        text = client.get("/metrics").text
    assert not sent
    assert 'http_response_status_code="499"' in text
    assert 'http_response_status_code="500"' not in text


def test_unexpected_error_is_a_problem_without_its_text() -> None:
    app = create_app(carts.settings_for("postgresql://u:p@127.0.0.1:1/none"))

    @app.get("/broken")
    def broken() -> None:
        raise RuntimeError("the secret is canary")

    with TestClient(app, raise_server_exceptions=False) as client:
        answer = client.get("/broken")
    problem_of(answer, 500, "internal-error")
    assert "canary" not in answer.text


def test_database_that_is_away_is_unavailable() -> None:
    settings = carts.settings_for(
        "postgresql://u:canary@127.0.0.1:1/none", db_pool_timeout_seconds=0.2
    )
    with carts.running_client(settings) as client:
        shopper = carts.new_shopper(client)
        for answer in (shopper.client.get(shopper.path), shopper.add(), shopper.check_out()):
            problem_of(answer, 503, "unavailable")
            assert answer.headers["retry-after"] == "1"
            assert "canary" not in answer.text
            assert "127.0.0.1" not in answer.text


def test_locked_cart_is_unavailable_after_a_while_and_holds_up_nobody_else(own_url: str) -> None:
    settings = carts.settings_for(own_url, db_statement_timeout_seconds=0.5)
    with carts.running_client(settings) as client:
        locked, other = carts.new_shopper(client), carts.new_shopper(client)
        locked.add()
        with carts.open_transaction(own_url) as holder:
            holder.exec_driver_sql("SELECT 1 FROM carts FOR UPDATE")
            answers: list[int] = []
            waiting = threading.Thread(target=lambda: answers.append(locked.add().status_code))
            waiting.start()
            assert other.add().status_code == 201
            assert locked.cart()["version"] == 1
            waiting.join()
        assert answers == [503]
        assert locked.add().json()["version"] == 2


def test_database_that_was_never_migrated_is_unavailable_with_a_sentence(empty_url: str) -> None:
    with carts.running_client(carts.settings_for(empty_url)) as client:
        shopper = carts.new_shopper(client)
        for answer in (client.get(shopper.path), shopper.add(), shopper.check_out()):
            detail = problem_of(answer, 503, "unavailable")["detail"]
            assert detail == "the database has not been migrated to this version; try again"
            assert answer.headers["retry-after"] == "1"
        command.migrate(carts.settings_for(empty_url))
        assert shopper.add().status_code == 201


def test_answers_of_a_draining_process_end_their_connection(migrated_url: str) -> None:
    with carts.running_client(carts.settings_for(migrated_url)) as client:
        shopper = carts.new_shopper(client)
        assert "connection" not in shopper.add().headers
        carts.service_of(client).readiness.drain()
        for answer in (shopper.add(), client.get("/health/live"), client.get("/docs")):
            assert answer.headers["connection"] == "close"


def test_deadline_counts_for_what_never_asks_the_database(migrated_url: str) -> None:
    app = create_app(
        carts.settings_for(
            migrated_url,
            request_deadline_seconds=1,
            db_statement_timeout_seconds=1,
            db_connect_timeout_seconds=1,
        )
    )

    @app.get("/slow")
    async def slow() -> None:
        await asyncio.Event().wait()

    with TestClient(app) as client:
        problem_of(client.get("/slow"), 504, "deadline-exceeded")
        assert client.get("/health/live").status_code == 200
