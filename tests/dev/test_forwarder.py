import socket
import urllib.request
from collections.abc import Iterator

import pytest

from carthub_dev.forwarder import Forwarder
from tests.support import http_server


class _Hello(http_server.Handler):
    def do_GET(self) -> None:
        self.answer(200, b"hello")


@pytest.fixture
def target() -> Iterator[tuple[str, int]]:
    with http_server.served(_Hello) as port:
        yield "127.0.0.1", port


def _read(port: int) -> bytes:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"http://127.0.0.1:{port}/", timeout=5) as answer:
        content: bytes = answer.read()
    return content


def test_requests_reach_the_target(target: tuple[str, int]) -> None:
    with Forwarder(target) as forwarder:
        assert [_read(forwarder.port) for _ in range(3)] == [b"hello"] * 3


def test_a_taken_port_is_avoided(target: tuple[str, int]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        wanted = taken.getsockname()[1]
        with Forwarder(target, preferred_port=wanted) as forwarder:
            assert forwarder.port != wanted
            assert _read(forwarder.port) == b"hello"


def test_nobody_there_closes_the_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        nobody = ("127.0.0.1", gone.getsockname()[1])
    with (
        Forwarder(nobody) as forwarder,
        socket.create_connection(("127.0.0.1", forwarder.port), timeout=5) as client,
    ):
        assert client.recv(1) == b""


def test_closed_it_listens_no_more(target: tuple[str, int]) -> None:
    with Forwarder(target) as forwarder:
        port = forwarder.port
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)
