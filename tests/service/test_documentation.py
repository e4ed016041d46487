import re
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.support import carts

_OPERATIONS = {
    ("get", "/"): {"200"},
    ("get", "/health"): {"200", "503"},
    ("get", "/health/live"): {"200"},
    ("get", "/health/ready"): {"200", "503"},
    ("get", "/api/v1/cart/{customer_id}"): {"200", "304", "400", "422", "503"},
    ("post", "/api/v1/cart/items"): {"201", "400", "409", "412", "415", "422", "503"},
    ("put", "/api/v1/cart/{customer_id}/items/{product_id}"): {
        "200", "400", "404", "412", "415", "422", "503",
    },
    ("put", "/api/v1/cart/{customer_id}/items"): {
        "200", "400", "409", "412", "415", "422", "503",
    },
    ("post", "/api/v1/cart/{customer_id}/merge"): {
        "200", "400", "409", "412", "415", "422", "503",
    },
    ("delete", "/api/v1/cart/{customer_id}/items/{product_id}"): {
        "200", "400", "404", "412", "422", "503",
    },
    ("delete", "/api/v1/cart/{customer_id}"): {"204", "400", "412", "422", "503"},
    ("post", "/api/v1/cart/checkout"): {"201", "400", "409", "412", "415", "422", "503"},
    ("get", "/api/v1/orders"): {"200", "422", "503"},
    ("get", "/api/v1/orders/{order_id}"): {"200", "404", "422", "503"},
}  # fmt: skip


@pytest.fixture
def document(client: TestClient) -> dict[str, Any]:
    found: dict[str, Any] = client.get("/openapi.json").json()
    return found


def test_document_is_openapi_3_1_and_has_every_operation(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1.")
    operations = {
        (method, path): set(operation["responses"])
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }
    assert operations == {
        (method, path): statuses
        # The server may answer these before it looks for a route.
        | {"400", "408", "413", "431", "500", "503"}
        | ({"504"} if "503" in statuses else set())
        for (method, path), statuses in _OPERATIONS.items()
    }


def test_every_error_is_a_problem_document(document: dict[str, Any]) -> None:
    for methods in document["paths"].values():
        for operation in methods.values():
            for status, answer in operation["responses"].items():
                if status >= "400":
                    assert answer["content"] == {
                        "application/problem+json": {
                            "schema": {"$ref": "#/components/schemas/Problem"}
                        }
                    }
    assert "HTTPValidationError" not in document["components"]["schemas"]
    assert {"code", "errors", "trace_id"} <= set(
        document["components"]["schemas"]["Problem"]["required"]
    )


def test_headers_of_refusals_are_those_that_are_sent(document: dict[str, Any]) -> None:
    sent = {
        "304": {"ETag"}, "409": {"Retry-After"}, "412": {"ETag"}, "503": {"Retry-After"},
    }  # fmt: skip
    for methods in document["paths"].values():
        for operation in methods.values():
            for status, answer in operation["responses"].items():
                if status >= "300":
                    assert set(answer.get("headers", ())) == sent.get(status, set())


def test_every_reference_is_there(document: dict[str, Any]) -> None:
    names = set(re.findall(r"#/components/schemas/(\w+)", str(document)))
    assert names <= set(document["components"]["schemas"])


@pytest.mark.parametrize("page", ["/docs", "/redoc"])
def test_page_and_its_files_come_from_this_service(client: TestClient, page: str) -> None:
    answer = client.get(page)
    assert answer.status_code == 200
    # What the scripts would ask elsewhere, the browser refuses.
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    assert "http" not in answer.headers["content-security-policy"]
    assert "//" not in re.sub(r"<!--.*?-->", "", answer.text).replace("window.location", "")
    files = re.findall(r'(?:src|href|spec-url)="(/[^"]+)"', answer.text)
    assert files
    for file in files:
        assert client.get(file).status_code == 200, file


def test_quantities_of_the_document_are_those_that_are_taken(migrated_url: str) -> None:
    settings = carts.settings_for(migrated_url, cart_max_quantity=1500)
    with carts.running_client(settings) as client:
        schemas = client.get("/openapi.json").json()["components"]["schemas"]
        assert carts.new_shopper(client).add(quantity=1500).status_code == 201
    for name in ("AddItem", "SetQuantity", "SetLine"):
        assert schemas[name]["properties"]["quantity"]["maximum"] == 1500
