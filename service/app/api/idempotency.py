"""The Idempotency-Key of a request, and what makes two requests the same.

draft-ietf-httpapi-idempotency-key-header: the key is a quoted string (RFC 8941, 3.3.3); bare ones
are common, and taken too.
"""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request, Response

from app.api import responses
from app.api.dependencies import Service
from app.api.problems import BadRequest
from app.cart.idempotency import Kept, RequestKey

_MOST_CHARACTERS = 255
_QUOTED = re.compile(r'"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"')
_BARE = re.compile(r"[\x21\x23-\x7e]+")


@dataclass(frozen=True)
class Asked:
    """A request that must not happen twice."""

    key: str
    method: str
    path: str
    fingerprint: bytes


async def asked(request: Request) -> Asked | None:
    """Return what the header asks for; None without it."""
    given = request.headers.getlist("idempotency-key")
    if not given:
        return None
    key = _parsed(given)
    return Asked(key, request.method, request.url.path, await _fingerprint(request))


IdempotencyKey = Annotated[Asked | None, Depends(asked)]


async def answered(
    service: Service,
    asked_for: Asked | None,
    customer_id: str,
    act: Callable[[], Kept],
    *,
    subject: str | None = None,
) -> Kept:
    """Return what a use case answers; with a key, what it answered the first time.

    `subject` is the token's, in whose name the request acts on this customer's cart.
    """
    if asked_for is None:
        return await service.run(act)
    key = RequestKey(
        subject or "",
        customer_id,
        asked_for.method,
        asked_for.path,
        asked_for.key,
        asked_for.fingerprint,
    )
    kept = await service.run_repeatable(service.once.answer, key, act)
    if kept.is_replayed:
        service.metrics.replays.inc()
    return kept


async def replayed(
    service: Service,
    asked_for: Asked | None,
    customer_id: str,
    error: Exception,
    *,
    subject: str | None,
) -> Kept:
    """Return what a request was answered the first time, or raise what refuses it now."""
    if asked_for is None:
        raise error

    def act() -> Kept:
        raise error

    return await answered(service, asked_for, customer_id, act, subject=subject)


def response(kept: Kept) -> Response:
    """Return an answer as it was the first time, with a word when it is not the first."""
    replayed = {"Idempotent-Replayed": "true"} if kept.is_replayed else {}
    return responses.json_document(kept.body, kept.status, headers={**kept.headers, **replayed})


def _parsed(given: list[str]) -> str:
    value = given[0].strip()
    if quoted := _QUOTED.fullmatch(value):
        key = re.sub(r"\\(.)", r"\1", quoted[1])
    else:
        key = value if _BARE.fullmatch(value) else ""
    if len(given) > 1 or not 1 <= len(key) <= _MOST_CHARACTERS:
        raise BadRequest(
            400,
            "invalid-header",
            f"Idempotency-Key must be one key of 1 to {_MOST_CHARACTERS} printable ASCII"
            ' characters, such as "8e03978e-40d5-43dd-bc93-6894a57f9324"',
        )
    return key


async def _fingerprint(request: Request) -> bytes:
    found = hashlib.sha256()
    parts = (
        request.method.encode(),
        # Before ids are checked: some of it may be no UTF-8.
        request.url.path.encode(errors="surrogateescape"),
        request.scope["query_string"],
        ", ".join(request.headers.getlist("if-match")).encode(),
        await request.body(),
    )
    for part in parts:
        # Its length first, so that nothing can pass from one part into the next.
        found.update(b"%d:" % len(part))
        found.update(part)
    return found.digest()
