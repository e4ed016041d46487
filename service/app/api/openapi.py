"""The OpenAPI document: every status a route can answer, problems in their own media type."""

import http
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from app.api import problems
from app.api.schemas import Problem

_REF = "#/components/schemas/{model}"
_PROBLEM_CONTENT = {problems.MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
# What may come before any route is asked: the server's limits hold for bodies that no route reads.
_OF_EVERY_OPERATION = (400, 408, 413, 431, 500, 503)
_TAG = r'(W/)?"[!#-~]*"'
_TAGS_SCHEMA = {
    "type": "string",
    "anyOf": [{"const": "*"}, {"pattern": rf"^{_TAG}( *, *{_TAG})*$"}],
    "examples": ['"empty"'],
}
_KEY_SCHEMA = {
    "type": "string",
    "pattern": r'^([!#-~]{1,255}|"([ !#-\[\]-~]|\\["\\]){1,255}")$',
    "examples": ['"8e03978e-40d5-43dd-bc93-6894a57f9324"'],
}
_SECURITY_SCHEMES = {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}}
CART_HEADERS = {
    "ETag": {
        "schema": {"type": "string"},
        "description": 'The version of the cart, "empty" while there is none',
    }
}
_RETRY_AFTER = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds"}}
# Of answers without success, by their status.
_HEADERS: dict[int, Mapping[str, Any]] = {
    304: CART_HEADERS,
    401: {"WWW-Authenticate": {"schema": {"type": "string"}, "description": "RFC 6750"}},
    409: {
        "Retry-After": {
            "schema": {"type": "integer"},
            "description": "Seconds, with the code `idempotency-in-flight`",
        }
    },
    412: CART_HEADERS,
    429: _RETRY_AFTER,
    503: _RETRY_AFTER,
}
# Of requests that may carry an Idempotency-Key.
REPLAYED = {
    "Idempotent-Replayed": {
        "schema": {"type": "string", "enum": ["true"]},
        "description": "The request was done before, and this was its answer",
    }
}


def answers(
    *statuses: int, success: Mapping[int, Mapping[str, Any]] | None = None
) -> dict[int | str, dict[str, Any]]:
    """Return the answers of a route beside its body: problems, and headers of successes."""
    declared: dict[int | str, dict[str, Any]] = {
        status: {"headers": headers} for status, headers in (success or {}).items()
    }
    for status in statuses:
        declared[status] = {"description": http.HTTPStatus(status).phrase}
        if status >= http.HTTPStatus.BAD_REQUEST:
            declared[status]["content"] = _PROBLEM_CONTENT
        if status in _HEADERS:
            declared[status]["headers"] = _HEADERS[status]
    return declared


def document(app: FastAPI) -> dict[str, Any]:
    """Return the document, made once; with tokens where the running service demands them."""
    if app.openapi_schema is None:
        made = get_openapi(
            title=app.title,
            version=app.version,
            summary=app.summary,
            description=app.description,
            routes=app.routes,
        )
        schemas = made["components"]["schemas"]
        problem = Problem.model_json_schema(ref_template=_REF)
        schemas.update(problem.pop("$defs"))
        schemas["Problem"] = problem
        service = getattr(app.state, "service", None)
        if service is not None:
            for name in ("AddItem", "SetQuantity", "SetLine"):
                quantity = schemas[name]["properties"]["quantity"]
                quantity["maximum"] = service.settings.cart_max_quantity
        is_protected = getattr(service, "verifier", None) is not None
        if is_protected:
            made["components"]["securitySchemes"] = _SECURITY_SCHEMES
        for path, operations in made["paths"].items():
            for operation in operations.values():
                _complete(operation)
                if is_protected and path.startswith("/api/"):
                    _protect(operation)
                if getattr(service, "limiter", None) is not None and path.startswith("/api/"):
                    _declare(operation, 429)
        app.openapi_schema = made
    return app.openapi_schema


def _protect(operation: dict[str, Any]) -> None:
    operation["security"] = [{"token": []}]
    _declare(operation, 401, 404)


def _declare(operation: dict[str, Any], *statuses: int) -> None:
    for status, declared in answers(*statuses).items():
        operation["responses"].setdefault(str(status), declared)


def _complete(operation: dict[str, Any]) -> None:
    if "503" in operation["responses"]:
        # It waits for something.
        _declare(operation, 504)
    _declare(operation, *_OF_EVERY_OPERATION)
    if "412" in operation["responses"]:
        operation.setdefault("parameters", []).append(
            _header("If-Match", "Write only to this version of the cart", _TAGS_SCHEMA)
        )
    if any(_replays(answer) for answer in operation["responses"].values()):
        operation.setdefault("parameters", []).append(
            _header(
                "Idempotency-Key",
                "The same key again has the same answer, and one effect",
                _KEY_SCHEMA,
            )
        )
    if "304" in operation["responses"]:
        operation.setdefault("parameters", []).append(
            _header("If-None-Match", "Answer 304 to this version of the cart", _TAGS_SCHEMA)
        )


def _replays(answer: Mapping[str, Any]) -> bool:
    headers: Mapping[str, Any] = answer.get("headers", {})
    return REPLAYED.keys() <= headers.keys()


def _header(name: str, description: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "in": "header",
        "required": False,
        "description": description,
        "schema": schema,
    }
