"""Slow and endless clients against the launcher: what they hold, and whether others notice."""

import itertools
import socket
import time
from collections.abc import Iterator

import pytest

from app.server.connections import LOOK_SECONDS
from tests.support.attack import Book, GoodClient, Parts, attack, resident_bytes
from tests.support.raw_http import GET, POST, Server, running_server
from tests.support.sizes import size

_DEADLINE_SECONDS = 2.0
# The sweep, what lingers after an answer, and two busy cores.
_SLACK_SECONDS = LOOK_SECONDS + 1 + 2.5
_MEGABYTE = 1 << 20
_CONNECTIONS = 500


def _slow_headers() -> Iterator[bytes]:
    yield b"GET / HTTP/1.1\r\n"
    yield from itertools.repeat(b"A: b\r\n")


def _slow_body() -> Iterator[bytes]:
    yield POST + b"Content-Length: 5000\r\n\r\n"
    yield from itertools.repeat(b"{")


def _header_flood() -> Iterator[bytes]:
    yield b"GET / HTTP/1.1\r\n"
    # Up to 100 MB, where nothing stops it.
    yield from itertools.repeat(b"A: " + b"b" * 65_000 + b"\r\n", 1600)


def _body_flood() -> Iterator[bytes]:
    yield POST + b"Content-Length: 100000000\r\n\r\n"
    yield from itertools.repeat(b"x" * 65_536, 1600)


def _chunk_flood() -> Iterator[bytes]:
    yield POST + b"Transfer-Encoding: chunked\r\n\r\n"
    yield from itertools.repeat(b"10000\r\n" + b"x" * 65_536 + b"\r\n")


def _unread_answers() -> Iterator[bytes]:
    yield from itertools.repeat(b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 8)


@pytest.fixture
def server(migrated_url: str) -> Iterator[Server]:
    chosen = {
        "http_header_timeout_seconds": _DEADLINE_SECONDS,
        "http_body_timeout_seconds": _DEADLINE_SECONDS,
        "http_max_connections": _CONNECTIONS,
    }
    with running_server(chosen, migrated_url) as running:
        assert running.talk(GET[:-2] + b"Connection: close\r\n\r\n").statuses == [200]
        yield running


@pytest.mark.faults
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("parts", "pause_seconds"),
    [
        (_slow_headers, 0.1),
        (_slow_body, 0.1),
        (_header_flood, 0),
        (_body_flood, 0),
        (_chunk_flood, 0),
        (_unread_answers, 0),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_attack_is_cut_and_a_good_client_is_served(
    server: Server, parts: Parts, pause_seconds: float
) -> None:
    good = GoodClient(server)
    before = resident_bytes(server)
    with good.running():
        book = attack(
            server,
            parts,
            clients=size(short=20, full=200) if pause_seconds else size(short=4, full=16),
            # Longer than a connection may be held: each client comes again.
            seconds=size(short=8, full=30),
            pause_seconds=pause_seconds,
        )
        grown = resident_bytes(server) - before
    _report(parts.__name__.strip("_"), book, good, grown)
    assert good.failures == []
    assert grown < 32 * _MEGABYTE
    assert book.connections > size(short=20, full=200) // 5
    assert book.longest_seconds < _DEADLINE_SECONDS + _SLACK_SECONDS


@pytest.mark.faults
@pytest.mark.timeout(300)
def test_more_silent_connections_than_there_may_be_keep_nobody_out(server: Server) -> None:
    good = GoodClient(server)
    before = resident_bytes(server)
    book = Book()
    opened: list[socket.socket] = []
    try:
        with good.running():
            began_at = time.monotonic()
            for _ in range(size(short=1500, full=10_000)):
                opened.append(server.connect())
                book.connections += 1
            newcomer_seconds = _seconds_until_served(server)
            book.longest_seconds = time.monotonic() - began_at
            grown = resident_bytes(server) - before
        turned_away = sum(_is_turned_away(connection) for connection in opened)
    finally:
        for connection in opened:
            connection.close()
    _report("silent connections", book, good, grown)
    print(  # noqa: T201 - the figures
        f"{turned_away} told 503; a newcomer was served after {newcomer_seconds:.2f} s"
    )
    assert good.failures == []
    assert grown < 32 * _MEGABYTE
    assert newcomer_seconds < 1 + _SLACK_SECONDS


def _seconds_until_served(server: Server) -> float:
    began_at = time.monotonic()
    while server.talk(GET[:-2] + b"Connection: close\r\n\r\n").statuses != [200]:
        assert time.monotonic() - began_at < 30
    return time.monotonic() - began_at


def _is_turned_away(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        return connection.recv(12) == b"HTTP/1.1 503"
    except OSError:
        return False


def _report(name: str, book: Book, good: GoodClient, grown: int) -> None:
    print(  # noqa: T201 - the figures are the point
        f"{name}: {book.connections} connections, {book.sent_bytes / _MEGABYTE:.1f} MB sent,"
        f" longest held {book.longest_seconds:.1f} s,"
        f" memory +{grown / _MEGABYTE:.1f} MB; good client: {len(good.seconds)} answers,"
        f" {len(good.failures)} failures, p50 {good.percentile(50) * 1000:.1f} ms,"
        f" p99 {good.percentile(99) * 1000:.1f} ms"
    )
