"""A request that is sent twice has one effect: its answer is kept with it, in one transaction.

A first try that fails leaves nothing, so the next one is a first try again.
"""

import json
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

import sqlalchemy

from app.cart.repository import CLAIM, KEEP, PURGE
from app.errors import InFlight, KeyReused

# How long an answer is kept: longer than any client goes on trying.
KEPT_FOR = timedelta(hours=48)


class Transactions(Protocol):
    """What lends a connection inside BEGIN and COMMIT."""

    def transaction(self) -> AbstractContextManager[sqlalchemy.Connection]:
        """Lend it; whatever the caller does with the database meanwhile is part of it."""


@dataclass(frozen=True)
class RequestKey:
    """Which request it is. The same key of two customers, or two tokens, are two keys."""

    # Of the token; empty where requests carry none.
    subject: str
    customer_id: str
    method: str
    path: str
    key: str
    # Of all that makes it the same request.
    fingerprint: bytes


@dataclass(frozen=True)
class Kept:
    """An answer as it was, and will be, sent."""

    status: int
    body: str
    headers: Mapping[str, str]
    is_replayed: bool = False


class OnceOnly:
    """Runs what a request asks for, unless it was done already."""

    def __init__(self, database: Transactions, *, wait: timedelta) -> None:
        self._database = database
        self._wait = wait

    def answer(self, key: RequestKey, act: Callable[[], Kept]) -> Kept:
        """Return what `act` answers, or answered the first time.

        `act` uses the same connection. Raises KeyReused, InFlight,
        and what `act` raises.
        """
        scope = (key.subject, key.customer_id, key.method, key.path, key.key)
        with self._database.transaction() as connection:
            state, status, headers, body = CLAIM.row(
                connection, *scope, key.fingerprint, self._wait, KEPT_FOR
            )
            if state == "in-flight":
                raise InFlight(
                    "idempotency-in-flight",
                    "the first request with this Idempotency-Key is still at work",
                )
            if state == "reused":
                raise KeyReused(
                    "idempotency-key-reused",
                    "this Idempotency-Key belongs to another body, query or If-Match",
                )
            if state == "kept":
                return Kept(status, body, headers, is_replayed=True)
            made = act()
            KEEP.run(connection, *scope, made.status, json.dumps(dict(made.headers)), made.body)
            return made


def purge(connection: sqlalchemy.Connection, lock: int, *, most: int) -> int:
    """Forget answers that were kept long enough; return how many."""
    [purged] = PURGE.row(connection, lock, most, KEPT_FOR)
    return int(purged)
