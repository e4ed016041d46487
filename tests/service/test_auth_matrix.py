"""Every route of the API, found in the application itself, asked by every kind of caller."""

import json
import secrets
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from tests.support.carts import CARTS, CHECKOUT, ITEMS
from tests.support.guarded import Guarded, guarded, shape


@dataclass(frozen=True)
class _Customer:
    """Somebody with a cart and an order, or with an id alone."""

    customer_id: str
    order_id: str

    def values(self, source_token: str) -> dict[str, Any]:
        """What a request about them says, by the name of its parameter or member.

        A new route whose request has another needed name fails here until it is told of.
        """
        return {
            "customer_id": self.customer_id,
            "order_id": self.order_id,
            "product_id": "mug",
            "unit_price": "9.50",
            "currency": "EUR",
            "quantity": 2,
            "items": [{"product_id": "mug", "quantity": 3}],
            "source_customer_id": "source",
            "source_token": source_token,
        }


@dataclass(frozen=True)
class _Route:
    """An operation of the OpenAPI document."""

    method: str
    template: str
    operation: Mapping[str, Any]
    schemas: Mapping[str, Any]

    def ask(
        self, client: TestClient, values: Mapping[str, Any], headers: Mapping[str, str]
    ) -> httpx2.Response:
        body = self._body(values)
        return client.request(
            self.method,
            self.template.format(**values),
            params=dict(self._query(values)),
            content=None if body is None else json.dumps(body),
            headers={**headers, **({} if body is None else {"content-type": "application/json"})},
        )

    def _query(self, values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        for parameter in self.operation.get("parameters", ()):
            name = parameter["name"]
            if parameter["in"] == "query" and (parameter.get("required") or name in values):
                yield name, values[name]

    def _body(self, values: Mapping[str, Any]) -> dict[str, Any] | None:
        if "requestBody" not in self.operation:
            return None
        reference = self.operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
        schema = self.schemas[reference.rpartition("/")[2]]
        needed = set(schema.get("required", ()))
        return {name: values[name] for name in schema["properties"] if name in needed | set(values)}


def _routes(client: TestClient) -> list[_Route]:
    assert isinstance(client.app, FastAPI)
    document = client.app.openapi()
    found = [
        _Route(asked, template, operation, document["components"]["schemas"])
        for template, operations in document["paths"].items()
        for method, operation in operations.items()
        # HEAD is answered wherever GET is, and in no document.
        for asked in (["GET", "HEAD"] if method == "get" else [method.upper()])
        if template.startswith("/api/")
    ]
    # A route that hides from the document would hide from this test.
    paths = {path for path in _paths(client.app.routes) if path.startswith("/api")}
    assert paths == {route.template for route in found}
    return found


def _paths(routes: Any) -> Iterator[str]:
    for route in routes:
        if (path := getattr(route, "path", None)) is not None:
            yield path
        yield from _paths(getattr(getattr(route, "original_router", None), "routes", ()))


class _Stage(Guarded):
    """A guarded service that strangers ask about customers."""

    def strangers(self, customer_id: str) -> Iterator[tuple[str, dict[str, str], int]]:
        """Who may not: their name, their headers, and the status they get."""
        yield "nobody", {}, 401
        for name, (_, token) in self.issuer.bad_tokens(customer_id).items():
            yield name, {"Authorization": f"Bearer {token}"}, 401
        yield "another customer", self.bearer(f"{customer_id}-2"), 404
        yield "the same in capitals", self.bearer(customer_id.upper()), 404
        yield "another scope", self.bearer("shop-front", scope="cart.read"), 404

    def customer(self) -> _Customer:
        """Return somebody who has bought a mug and has another one in the cart."""
        customer_id = f"customer-{secrets.token_hex(8)}"
        line = {"product_id": "mug", "unit_price": "9.50", "currency": "EUR", "quantity": 1}
        add = {"customer_id": customer_id, **line}
        assert self.client.post(ITEMS, json=add, headers=self.service).status_code == 201
        order = self.client.post(
            CHECKOUT, json={"customer_id": customer_id}, headers=self.service
        ).json()
        assert self.client.post(ITEMS, json=add, headers=self.service).status_code == 201
        return _Customer(customer_id, order["order_id"])

    def belongings(self, of: _Customer) -> str:
        """Return all that somebody has, as the service sees it."""
        paths = (f"{CARTS}/{of.customer_id}", f"/api/v1/orders/{of.order_id}")
        return "".join(self.client.get(path, headers=self.service).text for path in paths)


@pytest.fixture
def stage(migrated_url: str) -> Iterator[_Stage]:
    with guarded(migrated_url) as service:
        yield _Stage(service.client, service.issuer)


def test_no_route_tells_a_stranger_anything(stage: _Stage) -> None:
    cells = leaks = 0
    routes = _routes(stage.client)
    for route in routes:
        victim = stage.customer()
        nobody = _Customer(f"customer-{secrets.token_hex(8)}", str(uuid.uuid4()))
        before = stage.belongings(victim)
        for name, headers, status in stage.strangers(victim.customer_id):
            shapes = [
                shape(route.ask(stage.client, target.values("none"), headers))
                for target in (victim, nobody)
            ]
            cells += 2
            if shapes[0][0] != status or shapes[0] != shapes[1]:
                leaks += 1
                print(f"leak: {route.method} {route.template}, {name}: {shapes}")  # noqa: T201 - which cell leaks
        assert stage.belongings(victim) == before
    strangers = cells // len(routes) // 2
    print(  # noqa: T201 - the figure of the test
        f"{len(routes)} routes x {strangers} strangers x 2 targets = {cells} cells, {leaks} leaks"
    )
    assert leaks == 0
    assert cells >= 300


def test_every_route_is_open_to_the_owner_and_to_a_service(stage: _Stage) -> None:
    source_token = stage.issuer.token("source")
    for route in _routes(stage.client):
        for is_service in (False, True):
            customer = stage.customer()
            headers = stage.service if is_service else stage.bearer(customer.customer_id)
            answer = route.ask(stage.client, customer.values(source_token), headers)
            assert answer.is_success, (route.method, route.template, is_service, answer.text)


def test_order_of_another_is_as_little_there_as_none_for_the_owner(stage: _Stage) -> None:
    mine, theirs = stage.customer(), stage.customer()
    headers = stage.bearer(mine.customer_id)
    paths = (theirs.order_id, str(uuid.uuid4()))
    answers = [stage.client.get(f"/api/v1/orders/{path}", headers=headers) for path in paths]
    assert shape(answers[0]) == shape(answers[1])
    assert answers[0].status_code == 404
