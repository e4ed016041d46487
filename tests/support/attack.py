"""Clients that mean no good, one that does, and what both of them saw."""

import asyncio
import contextlib
import http.client
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import psutil

from tests.support.raw_http import Server

Parts = Callable[[], Iterator[bytes]]


@dataclass
class Book:
    """What the attackers saw together."""

    connections: int = 0
    sent_bytes: int = 0
    longest_seconds: float = 0.0


@dataclass
class GoodClient:
    """Asks for a cart again and again, over one connection that is opened anew when it ends."""

    server: Server
    seconds: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    _is_over: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=20)
        while not self._is_over.wait(0.01):
            began_at = time.monotonic()
            try:
                connection.request("GET", "/api/v1/cart/good")
                answer = connection.getresponse()
                answer.read()
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(repr(error))
                connection.close()
            else:
                self.seconds.append(time.monotonic() - began_at)
                if answer.status != http.HTTPStatus.OK:
                    self.failures.append(str(answer.status))
        connection.close()

    def percentile(self, percent: int) -> float:
        """Return a percentile of the answers' times, in seconds."""
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) * percent // 100, len(ordered) - 1)]

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Keep asking while the block runs."""
        thread = threading.Thread(target=self.run)
        thread.start()
        try:
            yield
        finally:
            self._is_over.set()
            thread.join()


def attack(
    server: Server, parts: Parts, *, clients: int, seconds: float, pause_seconds: float = 0
) -> Book:
    """Let clients send parts and begin again when they are cut off, for so many seconds."""
    book = Book()
    ends_at = time.monotonic() + seconds

    async def client() -> None:
        while time.monotonic() < ends_at:
            began_at = time.monotonic()
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
                book.connections += 1
                try:
                    await _send_until_cut(reader, writer, parts, pause_seconds, ends_at, book)
                finally:
                    writer.transport.abort()
            if time.monotonic() < ends_at:
                book.longest_seconds = max(book.longest_seconds, time.monotonic() - began_at)

    async def all_clients() -> None:
        await asyncio.gather(*(client() for _ in range(clients)))

    asyncio.run(all_clients())
    return book


async def _send_until_cut(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    parts: Parts,
    pause_seconds: float,
    ends_at: float,
    book: Book,
) -> None:
    answer = asyncio.create_task(reader.read(4096))
    try:
        for part in parts():
            writer.write(part)
            book.sent_bytes += len(part)
            await writer.drain()
            await asyncio.wait({answer}, timeout=pause_seconds)
            if answer.done() or time.monotonic() > ends_at:
                break
        while not answer.done() and time.monotonic() < ends_at:
            await asyncio.wait({answer}, timeout=0.1)
    finally:
        answer.cancel()


def resident_bytes(server: Server) -> int:
    """Return how much memory the service holds."""
    resident: int = psutil.Process(server.pid).memory_info().rss
    return resident
