"""A shop front: the cart API as its clients call it."""

import concurrent.futures
import http.client
import json
import threading
import time
from typing import Any, Self


class Shop:
    """Requests to one address; each thread keeps a connection of its own."""

    def __init__(self, host: str, port: int = 80) -> None:
        self._address = (host, port)
        self._local = threading.local()
        self._lock = threading.Lock()
        self._opened: list[http.client.HTTPConnection] = []

    def close(self) -> None:
        """Close the connections of all threads."""
        with self._lock:
            for connection in self._opened:
                connection.close()
            self._opened.clear()

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, Any]:
        """Return the status and the parsed body of one answer."""
        connection = self._connection()
        try:
            connection.request(
                method,
                path,
                body=None if body is None else json.dumps(body),
                headers={"Content-Type": "application/json"},
            )
            answer = connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException):
            connection.close()
            del self._local.connection
            raise
        return answer.status, json.loads(content) if content else None

    def add(self, customer: str, product: str, *, price: str = "9.99", quantity: int = 1) -> Any:  # noqa: ANN401 - JSON
        """Return the cart after one add; fail unless it was taken."""
        item = {
            "customer_id": customer,
            "product_id": product,
            "name": product,
            "unit_price": price,
            "currency": "EUR",
            "quantity": quantity,
        }
        status, cart = self.call("POST", "/api/v1/cart/items", item)
        assert status == 201, cart
        return cart

    def _connection(self) -> http.client.HTTPConnection:
        if not hasattr(self._local, "connection"):
            made = http.client.HTTPConnection(*self._address, timeout=10)
            self._local.connection = made
            with self._lock:
                self._opened.append(made)
        connection: http.client.HTTPConnection = self._local.connection
        return connection


class Load:
    """A bounded load of reads while the block runs: `threads` clients, at most `seconds`."""

    def __init__(self, shop: Shop, *, threads: int, seconds: float) -> None:
        self._shop = shop
        self._threads = threads
        self._stop = threading.Event()
        self._until = time.monotonic() + seconds
        self.answered = 0
        self.failed: list[str] = []

    def __enter__(self) -> Self:
        self._pool = concurrent.futures.ThreadPoolExecutor(self._threads)
        self._clients = [self._pool.submit(self._client) for _ in range(self._threads)]
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._pool.shutdown()
        for client in self._clients:
            client.result()

    def _client(self) -> None:
        while not self._stop.is_set() and time.monotonic() < self._until:
            try:
                status, body = self._shop.call("GET", "/api/v1/cart/load")
            except (OSError, http.client.HTTPException) as failure:
                self.failed.append(repr(failure))
                continue
            self.answered += 1
            if status != 200:
                self.failed.append(f"{status}: {body}")
