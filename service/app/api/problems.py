"""Problem documents (RFC 9457) for every way a request can fail."""

import http
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from app import errors, telemetry

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"
_RETRY_AFTER_SECONDS = "1"
# What a path of a URI has beside letters and digits, encoded bytes included (RFC 3986, 3.3).
_OF_A_PATH = "/%:@!$&'()*+,;="
# Of one body: it may have a member that is wrong in every ten of its bytes.
_MOST_NAMED = 100
# Between two lines of one kind: in an outage every request would have one.
_QUIET_SECONDS = 60.0

TITLES = {
    "malformed-request": "This is not HTTP",
    "malformed-json": "The body is not JSON",
    "invalid-header": "A header is malformed",
    "unauthenticated": "A token is needed",
    "cart-not-found": "There is no such cart",
    "item-not-found": "The cart has no such item",
    "order-not-found": "There is no such order",
    "route-not-found": "There is nothing at this path",
    "method-not-allowed": "The path does not take this method",
    "rate-limited": "Too many requests",
    "receive-timeout": "The request came too slowly",
    "body-too-large": "The body is too large",
    "headers-too-large": "The headers are too large",
    "cart-empty": "The cart is empty",
    "cart-changed": "The cart has changed",
    "currency-mismatch": "The cart is in another currency",
    "idempotency-in-flight": "The same request is at work",
    "idempotency-key-reused": "The key belongs to another request",
    "quantity-limit": "Too many pieces in the line",
    "line-limit": "Too many lines in the cart",
    "precondition-failed": "The cart is another version",
    "unsupported-media-type": "The body must be JSON",
    "validation-failed": "The request is not valid",
    "unavailable": "The service cannot answer now",
    "deadline-exceeded": "The request took too long",
    "internal-error": "The service failed",
}
_STATUSES: tuple[tuple[type[errors.Refusal], int], ...] = (
    (errors.Invalid, 422),
    (errors.KeyReused, 422),
    (errors.NotFound, 404),
    (errors.StateConflict, 409),
    (errors.PreconditionFailed, 412),
)


class BadRequest(Exception):
    """A request that HTTP itself does not allow: a broken body or header."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code


def problem(
    request: Request,
    status: int,
    code: str,
    detail: str,
    *,
    details: Sequence[Mapping[str, str]] = (),
    members: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """Return a problem document; `members` come beside the standard ones."""
    if (state := getattr(request.app.state, "service", None)) is not None:
        state.metrics.refusals.labels(code).inc()
    body = {
        **document(status, code, detail, _instance(request)),
        "errors": list(details),
        **(members or {}),
    }
    return JSONResponse(
        body, status, headers=None if headers is None else dict(headers), media_type=MEDIA_TYPE
    )


def document(status: int, code: str, detail: str, instance: str) -> dict[str, Any]:
    """Return the members that every problem document has."""
    return {
        "type": f"urn:carthub:problem:{code}",
        "title": TITLES.get(code, http.HTTPStatus(status).phrase),
        "status": status,
        "detail": detail,
        "instance": instance,
        "code": code,
        "errors": [],
        "trace_id": telemetry.trace_id(),
    }


def _instance(request: Request) -> str:
    """Return the path as the client wrote it: decoded it would be no URI reference."""
    raw_path: bytes | None = request.scope.get("raw_path")
    return quote(request.scope["path"]) if raw_path is None else quote(raw_path, safe=_OF_A_PATH)


# The handlers are async because Starlette would call others in a thread.
def register(app: FastAPI) -> None:
    """Answer every error of the application with a problem document."""
    # When an error was logged last, by its type.
    app.state.logged_at = {}
    app.add_exception_handler(errors.Refusal, _refused)
    app.add_exception_handler(errors.DatabaseUnavailable, _unavailable)
    app.add_exception_handler(errors.IssuerUnavailable, _issuer_unavailable)
    app.add_exception_handler(errors.Unauthenticated, _unauthenticated)
    app.add_exception_handler(errors.RateLimited, _rate_limited)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(BadRequest, _bad_request)
    app.add_exception_handler(HTTPException, _http_error)


async def answer_to(request: Request, error: Exception) -> Response:
    """Return the answer that the application has for an error, or raise it again."""
    handlers = request.app.exception_handlers
    for kind in type(error).__mro__:
        if kind in handlers:
            answer: Response = await handlers[kind](request, error)
            return answer
    raise error


def internal_error(request: Request) -> JSONResponse:
    """Return the answer to an error that nobody expected; the log has it."""
    return problem(request, 500, "internal-error", "the service failed; the log says why")


def deadline_exceeded(request: Request, seconds: float) -> JSONResponse:
    """Return the answer to a request that was given up; nobody knows how far it came."""
    detail = f"there was no answer within {seconds:g} s; a write may have happened"
    return problem(request, 504, "deadline-exceeded", detail)


def unavailable(
    request: Request, detail: str, members: Mapping[str, Any] | None = None
) -> JSONResponse:
    """Return the answer while the database does not."""
    return problem(
        request,
        503,
        "unavailable",
        detail,
        members=members,
        headers={"Retry-After": _RETRY_AFTER_SECONDS},
    )


async def _refused(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, errors.Refusal)  # noqa: S101 - registered for it
    status = next(status for kind, status in _STATUSES if isinstance(error, kind))
    details, headers = [], {}
    members = dict(error.members)
    if isinstance(error, errors.Invalid):
        details.append({"pointer": error.pointer, "detail": error.detail})
    if (tag := members.pop("tag", None)) is not None:
        headers["ETag"] = f'"{tag}"'
    if isinstance(error, errors.InFlight):
        headers["Retry-After"] = _RETRY_AFTER_SECONDS
    return problem(
        request,
        status,
        error.code,
        error.detail,
        details=details,
        members=members,
        headers=headers,
    )


async def _unavailable(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, errors.DatabaseUnavailable)  # noqa: S101 - registered for it
    _log_seldom(request, "database unavailable", error)
    return unavailable(request, error.detail)


def _log_seldom(request: Request, event: str, error: Exception) -> None:
    logged_at: dict[type[Exception], float] = request.app.state.logged_at
    now = time.monotonic()
    if now - logged_at.get(type(error), -_QUIET_SECONDS) >= _QUIET_SECONDS:
        logged_at[type(error)] = now
        log.warning(event, reason=str(error))


async def _issuer_unavailable(request: Request, error: Exception) -> JSONResponse:
    _log_seldom(request, "issuer unavailable", error)
    return unavailable(request, "the issuer of tokens does not answer; try again")


async def _unauthenticated(request: Request, error: Exception) -> JSONResponse:
    # RFC 6750: the error attribute only where a token was given.
    challenge = "Bearer"
    if "authorization" in request.headers:
        challenge = 'Bearer error="invalid_token"'
    headers = {"WWW-Authenticate": challenge}
    return problem(request, 401, "unauthenticated", str(error), headers=headers)


async def _rate_limited(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, errors.RateLimited)  # noqa: S101 - registered for it
    headers = {"Retry-After": str(error.retry_after_seconds)}
    return problem(request, 429, "rate-limited", str(error), headers=headers)


async def _invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for it
    every = error.errors()
    details = [
        {
            "pointer": _pointer(found["loc"]),
            "detail": found["msg"].removeprefix("Value error, "),
        }
        for found in every[:_MOST_NAMED]
    ]
    sentences = list(_sentences(details))
    if unnamed := len(every) - len(details):
        sentences.append(f"and {unnamed} more")
    return problem(request, 422, "validation-failed", "; ".join(sentences), details=details)


def _sentences(details: Iterable[Mapping[str, str]]) -> Iterable[str]:
    return (f"{found['pointer'].removeprefix('#/')}: {found['detail']}" for found in details)


def _pointer(location: Sequence[str | int]) -> str:
    # The first part says where the value was: body, path, query or header.
    escaped = (str(part).replace("~", "~0").replace("/", "~1") for part in location[1:])
    return "/".join(("#", *escaped))


async def _bad_request(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, BadRequest)  # noqa: S101 - registered for it
    return problem(request, error.status, error.code, str(error))


async def _http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for it
    if error.status_code == 404:  # noqa: PLR2004 - the status is its own name
        detail = f"there is nothing at {_instance(request)}"
        return problem(request, 404, "route-not-found", detail)
    if error.status_code == 405:  # noqa: PLR2004 - as above
        named = (error.headers or {}).get("Allow", "GET, HEAD")
        # Not that of `request.url`, which loses line feeds.
        methods = _methods_at(request.app, request.scope["path"]) or set(named.split(", "))
        if "GET" in methods:
            methods.add("HEAD")
        allowed = ", ".join(sorted(methods))
        detail = f"{_instance(request)} takes {allowed}, not {request.method}"
        return problem(request, 405, "method-not-allowed", detail, headers={"Allow": allowed})
    phrase = http.HTTPStatus(error.status_code).phrase
    code = phrase.lower().replace(" ", "-")
    return problem(request, error.status_code, code, phrase, headers=error.headers)


def _methods_at(app: FastAPI, path: str) -> set[str]:
    # The router itself names the methods of the first route that matches only. A path that the
    # document has by its words is that one, though the word may be an id as well.
    paths: Mapping[str, Mapping[str, Any]] = app.openapi()["paths"]
    templates = [path] if path in paths else [found for found in paths if _is_of(found, path)]
    return {method.upper() for template in templates for method in paths[template]}


def _is_of(template: str, path: str) -> bool:
    pattern = re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(template))
    return re.fullmatch(pattern, path) is not None
