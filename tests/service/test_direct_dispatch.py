"""Direct routes answer as FastAPI's own dispatch would: status, headers and body."""

import itertools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Body, Cookie, Depends, Header, Query, Request, Response
from starlette.testclient import TestClient

from app.api.application import Application
from app.api.direct import DirectRoute
from app.main import create_app
from tests.support import carts

_JSON = {"content-type": "application/json"}
_VOLATILE = {
    "UUID": r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    "TIME": r"\d{4}-\d\d-\d\dT[0-9:.]+\+00:00",
    "TRACE": r"\b[0-9a-f]{32}\b",
    "SPAN": r"\b[0-9a-f]{16}\b",
    # PostgreSQL writes as many decimals of a second as there are.
    "LENGTH": r"(?<='content-length', ')\d+",
}


@dataclass(frozen=True)
class _Call:
    method: str
    path: str
    body: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)


_ADD = {"product_id": "mug", "unit_price": "9.50", "currency": "EUR", "quantity": 2}

_BODIES = [
    b"", b" ", b"{", b"{}", b"[]", b"null", b"1", b'"x"', b"\xff", b"NaN", b'{"quantity": 1e400}',
    b'{"quantity": 1, "quantity": 2}', b'{"quantity": "3"}', b'{"quantity": 3, "other": 1}',
    b'{"customer_id": "\\u0000", "unit_price": -1, "quantity": true}',
]  # fmt: skip
_HEADERS = [
    {},
    _JSON,
    {"content-type": "application/json; charset=utf-8"},
    {"content-type": "APPLICATION/merge-patch+JSON"},
    {"content-type": "text/plain"},
    {**_JSON, "if-match": "1", "if-none-match": "1"},
    {**_JSON, "if-match": '"empty", "x"', "if-none-match": 'W/"empty"'},
    {**_JSON, "if-match": "*", "if-none-match": "*"},
]
_VALUES = ["CUSTOMER", "a%20b", "%C3%BC", "%00", "a%2Fb", "x" * 129, ".", "%25"]


def _by_hand() -> Iterator[_Call]:
    """A customer's way through the shop."""

    def add(**members: object) -> _Call:
        body = {"customer_id": "CUSTOMER", **_ADD, **members}
        return _Call("POST", "/api/v1/cart/items", json.dumps(body).encode(), _JSON)

    cart = "/api/v1/cart/CUSTOMER"
    yield from (add(), add(unit_price=8), add(currency="USD"), add(quantity=999), add(quantity=0))
    yield from (add(unit_price="1.999"), add(unit_price=1.1, product_id="tea"), add(name=""))
    yield _Call("GET", cart)
    yield _Call("PUT", f"{cart}/items/mug", b'{"quantity": 5}', _JSON)
    yield _Call("PUT", f"{cart}/items/mug", b'{"quantity": 5}', {**_JSON, "if-match": '"a.1"'})
    yield _Call("PUT", f"{cart}/items/none", b'{"quantity": 5}', _JSON)
    yield _Call("DELETE", f"{cart}/items/tea")
    yield _Call("DELETE", f"{cart}/items/tea")
    checkout = json.dumps({"customer_id": "CUSTOMER", "expected_total": "1"}).encode()
    yield _Call("POST", "/api/v1/cart/checkout", checkout, _JSON)
    yield _Call("POST", "/api/v1/cart/checkout", b'{"customer_id": "CUSTOMER"}', _JSON)
    yield _Call("POST", "/api/v1/cart/checkout", b'{"customer_id": "CUSTOMER"}', _JSON)
    keyed = {**_JSON, "idempotency-key": '"one"'}
    for path, body in (("items", add().body), ("items", add(quantity=3).body)):
        yield from 2 * (_Call("POST", f"/api/v1/cart/{path}", body, keyed),)
    yield from 2 * (_Call("POST", "/api/v1/cart/checkout", b'{"customer_id": "CUSTOMER"}', keyed),)
    yield _Call("POST", "/api/v1/cart/items", add().body, {**_JSON, "idempotency-key": ""})
    yield _Call("GET", "/api/v1/orders?customer_id=CUSTOMER&limit=9")
    yield _Call("GET", "/api/v1/orders/00000000-0000-4000-8000-000000000000")
    yield _Call("DELETE", cart)
    for method, path in itertools.product(("PATCH", "HEAD", "OPTIONS"), ("/", cart, "/nowhere")):
        yield _Call(method, path)


def _by_document(document: dict[str, Any]) -> Iterator[_Call]:
    """Every operation with every kind of path value, header and body; other bodies are few."""
    for template, operations in document["paths"].items():
        for method, operation in operations.items():
            values = _VALUES if "{" in template else ["unused"]
            for value in values:
                path = re.sub(r"\{\w+\}", value, template)
                yield _Call(method.upper(), path)
                yield _Call(method.upper(), f"{path}?limit=x&cursor=%00&customer_id=", b"{}", _JSON)
            path = re.sub(r"\{\w+\}", "CUSTOMER", template)
            bodies = _BODIES if "requestBody" in operation else [b"", b"{"]
            for body, headers in itertools.product(bodies, _HEADERS):
                yield _Call(method.upper(), path, body, headers)


def _answer(client: TestClient, customer_id: str, call: _Call) -> tuple[object, ...]:
    answer = client.request(
        call.method,
        call.path.replace("CUSTOMER", customer_id),
        content=None if call.body is None else call.body.replace(b"CUSTOMER", customer_id.encode()),
        headers=call.headers,
    )
    text = answer.text.replace(customer_id, "CUSTOMER")
    headers = str(sorted(answer.headers.items())).replace(customer_id, "CUSTOMER")
    for name, pattern in _VOLATILE.items():
        text, headers = re.sub(pattern, name, text), re.sub(pattern, name, headers)
    return answer.status_code, headers, text


def test_both_ways_of_dispatch_answer_the_same(own_url: str) -> None:
    application = create_app(carts.settings_for(own_url))
    with TestClient(application, raise_server_exceptions=False) as direct:
        # Below a path prefix no route is direct.
        framework = TestClient(application, raise_server_exceptions=False, root_path="/prefix")
        framework.portal = direct.portal
        calls = [*_by_hand(), *_by_document(application.openapi())]
        # The health check's answer is the same for a second only.
        calls = [call for call in calls if call.path != "/health"]
        seen = set()
        for call in calls:
            expected = _answer(framework, "customer-a", call)
            assert _answer(direct, "customer-b", call) == expected, call
            seen.add(expected[0])
    assert len(calls) > 400
    assert {200, 201, 204, 304, 400, 404, 405, 409, 412, 415, 422} <= seen


def _endpoint_with(parameter: Any) -> Any:
    async def endpoint(value: parameter) -> Response:
        return Response(str(value))

    return endpoint


def _not_of_the_request(value: int = 1) -> int:
    return value


def _generator(request: Request) -> Iterator[str]:
    yield request.method


@pytest.mark.parametrize(
    "parameter",
    [
        Annotated[str, Header()],
        Annotated[str, Cookie()],
        Annotated[int, Depends(_not_of_the_request)],
        Annotated[str, Depends(_generator)],
        Response,
    ],
)
def test_parameter_that_no_plan_knows_is_refused_when_it_is_declared(parameter: Any) -> None:
    with pytest.raises(TypeError, match="endpoint"):
        APIRouter(route_class=DirectRoute).get("/x")(_endpoint_with(parameter))


def test_endpoint_that_would_need_a_thread_is_refused() -> None:
    def endpoint() -> Response:
        return Response()

    with pytest.raises(TypeError, match="endpoint: must be async"):
        APIRouter(route_class=DirectRoute).get("/x")(endpoint)


async def _async_dependency(request: Request) -> str:
    return request.headers["x-given"]


def _dependency(request: Request) -> list[str]:
    calls: list[str] = request.app.state.calls
    calls.append(request.url.path)
    return calls


def test_every_kind_of_parameter_reaches_the_endpoint() -> None:
    router = APIRouter(route_class=DirectRoute)

    @router.post("/{one}/{two}")
    async def endpoint(
        request: Request,
        one: str,
        two: int,
        body: Annotated[dict[str, int], Body()],
        first: Annotated[list[str], Depends(_dependency)],
        second: Annotated[list[str], Depends(_dependency)],
        given: Annotated[str, Depends(_async_dependency)],
        number: Annotated[int, Query()] = 7,
    ) -> Response:
        found = [request.method, one, two, body, first, second, given, number]
        return Response(json.dumps(found))

    application = Application([router])
    for root_path in ("", "/prefix"):
        application.state.calls = []
        client = TestClient(application, root_path=root_path)
        for query, number in (("", 7), ("?number=8", 8)):
            answer = client.post(f"/a/2{query}", json={"x": 1}, headers={"x-given": "y"})
            calls = application.state.calls
            assert answer.json() == ["POST", "a", 2, {"x": 1}, calls, calls, "y", number]
        assert len(application.state.calls) == 2
