"""Requests to the cart API, short enough to read in a test."""

import contextlib
import functools
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import httpx2
import sqlalchemy
from starlette.testclient import TestClient

from app.api.dependencies import Service
from app.main import create_app
from app.settings import Settings
from tests.support import markdown

CARTS = "/api/v1/cart"
ITEMS = f"{CARTS}/items"
CHECKOUT = f"{CARTS}/checkout"
# Of a machine that is busy: the login of a health check alone may take a second there.
_HEALTH_SECONDS = 20
# What a service opens unless it is told otherwise.
POOL_SIZE: int = Settings.model_fields["db_pool_size"].default
_SERVICE = Path(__file__).parents[2] / "service"


def settings_for(url: str, **chosen: object) -> Settings:
    """Return settings for a database, nothing taken from the environment that matters."""
    usual = {
        "drain_seconds": 0,
        "health_timeout_seconds": _HEALTH_SECONDS,
        # What it does now and then would be counted among what a test has asked for.
        "housekeeping_seconds": 0,
    }
    values: dict[str, Any] = {"database_url": url, **usual, **chosen}
    return Settings(**values)


@contextlib.contextmanager
def running_client(settings: Settings) -> Iterator[TestClient]:
    """Lend a client of an application of its own."""
    with TestClient(create_app(settings), raise_server_exceptions=False) as client:
        yield client


def service_of(client: TestClient) -> Service:
    """Return what a client's application is made of."""
    service: Service = client.app.state.service  # type: ignore[attr-defined] # an ASGI app to mypy
    return service


@dataclass(frozen=True)
class Shopper:
    """A customer nobody else has, and what they do with their cart."""

    client: TestClient
    customer_id: str

    @property
    def path(self) -> str:
        return f"{CARTS}/{self.customer_id}"

    def item_path(self, product_id: str) -> str:
        return f"{self.path}/items/{product_id}"

    def add(
        self,
        product_id: str = "mug",
        *,
        quantity: object = 1,
        unit_price: object = "9.50",
        headers: Mapping[str, str] | None = None,
        currency: object = "EUR",
        members: Mapping[str, object] | None = None,
    ) -> httpx2.Response:
        """Add a product, in euros unless said otherwise."""
        body = {
            "customer_id": self.customer_id,
            "product_id": product_id,
            "unit_price": unit_price,
            "currency": currency,
            "quantity": quantity,
            **(members or {}),
        }
        # ASCII with escapes: the client's own encoder cannot send a lone surrogate.
        return self.client.post(
            ITEMS,
            content=json.dumps(body),
            headers={"content-type": "application/json", **(headers or {})},
        )

    def cart(self) -> dict[str, Any]:
        answer = self.client.get(self.path)
        assert answer.status_code == 200, answer.text
        cart: dict[str, Any] = answer.json()
        return cart

    def check_out(self, **members: object) -> httpx2.Response:
        return self.client.post(CHECKOUT, json={"customer_id": self.customer_id, **members})


def new_shopper(client: TestClient) -> Shopper:
    """Return a shopper whom no other test meets."""
    return Shopper(client, f"customer-{secrets.token_hex(8)}")


@functools.cache
def documented_statuses() -> dict[str, int]:
    """Return the statuses by code that the guide names."""
    rows = markdown.table("api.md", "### Error codes")
    return {code.strip("`"): int(status) for code, status, *_ in rows}


def problem_of(answer: httpx2.Response, status: int, code: str) -> dict[str, Any]:
    """Return a problem document, after checking that it is the one expected and complete."""
    assert answer.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = answer.json()
    assert (answer.status_code, document["status"], document["code"]) == (status, status, code)
    assert document["type"] == f"urn:carthub:problem:{code}"
    assert documented_statuses()[code] == status, "as in docs/api.md"
    for member in ("title", "detail", "instance", "trace_id"):
        assert document[member]
    return document


def metric(client: TestClient, sample: str) -> float:
    """Return a sample of /metrics by its name and labels."""
    lines = client.get("/metrics").text.splitlines()
    return next(float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{sample} "))


def kept_environment() -> dict[str, str]:
    """Return what a process of a test needs of the test's environment: coverage counts it too."""
    kept = ("PATH", "PYTHONPATH", "COVERAGE_PROCESS_CONFIG")
    return {name: os.environ[name] for name in kept if name in os.environ}


def service_environment(url: str, **chosen: str) -> dict[str, str]:
    """Return the environment of a service process, free ports unless said otherwise."""
    return {
        **kept_environment(),
        "PYTHONPATH": os.pathsep.join((str(_SERVICE), os.environ.get("PYTHONPATH", ""))),
        "DATABASE_URL": url,
        "HOST": "127.0.0.1",
        "PORT": "0",
        "METRICS_PORT": "0",
        "DRAIN_SECONDS": "0",
        "HEALTH_TIMEOUT_SECONDS": f"{_HEALTH_SECONDS}",
        **chosen,
    }


@contextlib.contextmanager
def service_process(
    *arguments: str, environment: Mapping[str, str]
) -> Iterator[subprocess.Popen[str]]:
    """Run `python` with arguments in the folder service/, and end it."""
    process = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=_SERVICE,
        env=dict(environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)


def log_line(output: IO[str] | None, event: str) -> dict[str, Any]:
    """Return the log line of an event, waiting for it."""
    assert output is not None
    seen = []
    for text in output:
        seen.append(text)
        if f'"event": "{event}"' in text:
            found: dict[str, Any] = json.loads(text)
            return found
    raise AssertionError(f"no line {event!r} in {seen}")


@contextlib.contextmanager
def served(environment: Mapping[str, str], folder: Path) -> Iterator[int]:
    """Run the service as its image does, its log in a file of the folder, and lend its port."""
    log = folder / "service.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "app"],
            cwd=_SERVICE,
            env=dict(environment),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        with log.open() as lines:
            wait_until(lambda: process.poll() is not None or "listening" in log.read_text())
            yield int(log_line(lines, "listening")["port"])
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


def run_sql(url: str, statement: str) -> list[tuple[Any, ...]]:
    """Run a statement past the service, and return its rows."""
    engine = sqlalchemy.create_engine(
        url, poolclass=sqlalchemy.NullPool, isolation_level="AUTOCOMMIT"
    )
    with engine.connect() as connection:
        result = connection.exec_driver_sql(statement)
        return [tuple(row) for row in result] if result.returns_rows else []


def wait_until(is_so: Callable[[], bool], seconds: float = 60) -> None:
    """Wait for a condition, and fail when it does not come."""
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.02)


@contextlib.contextmanager
def open_transaction(url: str) -> Iterator[sqlalchemy.Connection]:
    """Lend a connection past the service, whose locks last until the block ends."""
    engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
    with engine.connect() as connection, connection.begin():
        yield connection


class Gate:
    """Holds up use cases where PostgreSQL would: in a statement that waits for a lock."""

    _LOCK = 4711

    def __init__(self, holder: sqlalchemy.Connection) -> None:
        self._holder = holder
        holder.exec_driver_sql(f"SELECT pg_advisory_xact_lock({self._LOCK})")

    def pass_through(self, service: Service) -> None:
        """Wait in a use case until the gate is open."""
        with service.carts._database.connection() as connection:  # noqa: SLF001 - its session
            self.pass_with(connection)

    def pass_with(self, connection: sqlalchemy.Connection) -> None:
        """Wait on this connection until the gate is open."""
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock_shared({self._LOCK})")

    def open(self) -> None:
        """Let everybody through."""
        self._holder.exec_driver_sql("ROLLBACK")


@contextlib.contextmanager
def closed_gate(url: str) -> Iterator[Gate]:
    """Lend a gate that is closed; it opens at the end of the block."""
    with open_transaction(url) as holder:
        yield Gate(holder)
