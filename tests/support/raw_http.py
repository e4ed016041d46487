"""Bytes sent to a service past every HTTP client: half requests, floods, and what comes back."""

import contextlib
import json
import re
import socket
import subprocess
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.support import carts

# Nothing answers there: what these tests send needs no database.
NO_DATABASE = "postgresql://u:p@127.0.0.1:1/none"
_STATUS_LINE = re.compile(rb"HTTP/1\.1 (\d{3}) [A-Z][^\r\n]*\r\n")
_END_SECONDS = 5
GET = b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"
# A head that is to be continued, the length or the kind of the body first.
POST = f"POST {carts.ITEMS} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n".encode()


@dataclass(frozen=True)
class Answer:
    """What came until the service closed, and after how long."""

    raw: bytes
    seconds: float

    @property
    def statuses(self) -> list[int]:
        """The statuses of all answers on the connection."""
        return [int(found[1]) for found in _STATUS_LINE.finditer(self.raw)]

    def problem(self, status: int, code: str) -> dict[str, Any]:
        """Return the last answer's problem document, after checking that it is complete."""
        *_, last = _STATUS_LINE.finditer(self.raw)
        assert int(last[1]) == status, self.raw
        head, _, body = self.raw[last.start() :].partition(b"\r\n\r\n")
        assert b"content-type: application/problem+json" in head.lower()
        assert b"connection: close" in head.lower()
        document: dict[str, Any] = json.loads(body)
        assert (document["status"], document["code"]) == (status, code)
        assert set(document) == {
            *("type", "title", "status", "detail", "instance", "code", "errors", "trace_id"),
        }
        return document


@dataclass(frozen=True)
class Server:
    """A service process of the launcher."""

    port: int
    pid: int

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)

    def talk(self, *parts: bytes, pause_seconds: float = 0) -> Answer:
        """Send parts, as far as they are taken, and read until the service closes."""
        began_at = time.monotonic()
        with self.connect() as connection:
            raw = send(connection, parts, pause_seconds) + read_all(connection)
        return Answer(raw, time.monotonic() - began_at)


def send(connection: socket.socket, parts: Iterable[bytes], pause_seconds: float = 0) -> bytes:
    """Send parts until they end or the service closes; return what came meanwhile."""
    found = b""
    for part in parts:
        try:
            connection.sendall(part)
        except (ConnectionError, TimeoutError):
            break
        if pause_seconds:
            connection.settimeout(pause_seconds)
            try:
                received = connection.recv(65536)
            except TimeoutError:
                received = None
            except ConnectionError:
                # Sent into a connection that the service had closed already.
                break
            if received == b"":
                break
            found += received or b""
            connection.settimeout(20)
    return found


def read_all(connection: socket.socket) -> bytes:
    """Read until the service closes, in whatever way."""
    connection.settimeout(20)
    found = bytearray()
    with contextlib.suppress(ConnectionError):
        while part := connection.recv(65536):
            found += part
    return bytes(found)


@contextlib.contextmanager
def running_server(chosen: Mapping[str, object], url: str = NO_DATABASE) -> Iterator[Server]:
    """Lend a service started by its launcher."""
    environment = carts.service_environment(
        url, **{name.upper(): str(value) for name, value in chosen.items()}
    )
    environment.setdefault("SHUTDOWN_TIMEOUT_SECONDS", "1")
    with carts.service_process("-m", "app", environment=environment) as process:
        port = carts.log_line(process.stdout, "listening")["port"]
        # Nobody reads its log: a full pipe would stop it.
        drain = threading.Thread(target=lambda: list(process.stdout or ()))
        drain.start()
        yield Server(port, process.pid)
        # Asked, not killed, so that what it ran is counted.
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_END_SECONDS)
        process.kill()
        drain.join()
