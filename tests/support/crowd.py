"""Customers who shop all at once and keep account of what they were told."""

import contextlib
import http.client
import itertools
import json
import secrets
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Self

_JSON = {"Content-Type": "application/json"}
_TIMEOUT_SECONDS = 30.0
# What a client may send again without a thought, and what it may not.
SAFE = ("get", "get", "get", "get", "set", "keyed add")
ALL = (*SAFE, "add", "add")


@dataclass
class Account:
    """What one customer was told of their adds."""

    customer_id: str
    # Without a key: those acknowledged, and those of which nobody knows.
    added: int = 0
    unknown: int = 0
    # With a key, sent until acknowledged.
    keyed: int = 0


@dataclass(frozen=True)
class Answer:
    """One answer, or None for its status when the connection broke."""

    kind: str
    status: int | None
    seconds: float
    at: float
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def is_failed(self) -> bool:
        return self.status is None or self.status >= 500


class Crowd:
    """Runs while its block does; each customer in a thread, one request after the other.

    A request with a key is sent again for `patience_seconds`, whatever it is answered. With a
    pause between two requests the load is constant, and connections rest as real ones do.
    """

    def __init__(
        self,
        port: int,
        *,
        host: str = "127.0.0.1",
        customers: int = 8,
        kinds: tuple[str, ...] = ALL,
        patience_seconds: float = _TIMEOUT_SECONDS,
        pause_seconds: float = 0,
    ) -> None:
        self._address = (host, port)
        self._patience_seconds = patience_seconds
        self._pause_seconds = pause_seconds
        self._kinds = kinds
        self.accounts = [Account(f"crowd-{secrets.token_hex(6)}") for _ in range(customers)]
        self.answers: list[Answer] = []
        self._stop = threading.Event()

    def __enter__(self) -> Self:
        self._pool = ThreadPoolExecutor(len(self.accounts))
        self._running = [self._pool.submit(self._shop, account) for account in self.accounts]
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._pool.shutdown()
        for shopping in self._running:
            shopping.result()

    @property
    def failed(self) -> list[Answer]:
        """The answers that were none, or an error of the service."""
        return [answer for answer in self.answers if answer.is_failed]

    def summary(self) -> str:
        """Return the figures of the run."""
        failed = Counter(f"{answer.kind} {answer.status}" for answer in self.failed)
        longest = max((answer.seconds for answer in self.answers), default=0)
        return f"{len(self.answers)} requests, failed {dict(failed)}, longest {longest:.2f} s"

    def check_sums(self) -> None:
        """Compare what the database holds with what the customers were told."""
        for account in self.accounts:
            cart = self._cart(account)
            found = {line["product_id"]: line["quantity"] for line in cart["items"]}
            assert found.get("keyed", 0) == account.keyed
            most = account.added + account.unknown
            assert account.added <= found.get("plain", 0) <= most, (account, found)

    def _cart(self, account: Account) -> dict[str, Any]:
        with contextlib.closing(http.client.HTTPConnection(*self._address)) as connection:
            connection.request("GET", f"/api/v1/cart/{account.customer_id}")
            cart: dict[str, Any] = json.loads(connection.getresponse().read())
            return cart

    def _shop(self, account: Account) -> None:
        connection = http.client.HTTPConnection(*self._address, timeout=_TIMEOUT_SECONDS)
        with contextlib.closing(connection):
            self._send(connection, "stock", account, "stock")
            for number, kind in enumerate(itertools.cycle(self._kinds)):
                if self._stop.wait(self._pause_seconds):
                    return
                self._send(connection, kind, account, str(number))

    def _send(
        self, connection: http.client.HTTPConnection, kind: str, account: Account, key: str
    ) -> None:
        answer = self._ask(connection, kind, account, key)
        if kind == "add" and answer.is_failed:
            account.unknown += 1
        elif kind == "add":
            assert answer.status == 201, answer
            account.added += 1
        elif kind in {"keyed add", "stock"}:
            until = time.monotonic() + self._patience_seconds
            while answer.status != 201:
                assert time.monotonic() < until, answer
                self._stop.wait(0.05)
                answer = self._ask(connection, kind, account, key)
            account.keyed += kind == "keyed add"

    def _ask(
        self, connection: http.client.HTTPConnection, kind: str, account: Account, key: str
    ) -> Answer:
        began = time.monotonic()
        try:
            connection.request(*_request(kind, account.customer_id, key))
            response = connection.getresponse()
            response.read()
        except (OSError, http.client.HTTPException):
            connection.close()
            answer = Answer(kind, None, time.monotonic() - began, began)
        else:
            headers = {name.lower(): value for name, value in response.getheaders()}
            seconds = time.monotonic() - began
            answer = Answer(kind, response.status, seconds, began, headers)
        self.answers.append(answer)
        return answer


def _request(
    kind: str, customer_id: str, key: str
) -> tuple[str, str, bytes | None, dict[str, str]]:
    cart = f"/api/v1/cart/{customer_id}"
    if kind == "get":
        return "GET", cart, None, {}
    if kind == "set":
        body = json.dumps({"quantity": int(key) % 9 + 1}).encode()
        return "PUT", f"{cart}/items/set", body, _JSON
    product = {"keyed add": "keyed", "stock": "set"}.get(kind, "plain")
    item = {
        "customer_id": customer_id,
        "product_id": product,
        "unit_price": "1",
        "currency": "EUR",
        "quantity": 1,
    }
    keys = {} if kind == "add" else {"Idempotency-Key": key}
    return "POST", "/api/v1/cart/items", json.dumps(item).encode(), {**_JSON, **keys}
