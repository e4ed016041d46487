"""Logins on a real PostgreSQL: taken, refused, or not to be had."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from carthub_dev.database import DatabaseServer
from carthub_operator.contracts import Login
from carthub_operator.desired.facts import DatabaseCredentials
from carthub_operator.edges.postgresql import PostgresLogins
from tests.support.resources import credentials


@pytest.fixture
def login(database_server: DatabaseServer) -> DatabaseCredentials:
    return credentials(
        username="carthub_app",
        password=database_server.password,
        host=database_server.address,
        port=database_server.port,
    )


def _attempt(
    login: DatabaseCredentials, ssl_mode: str = "disable", *, timeout_seconds: float = 30.0
) -> Login:
    logins = PostgresLogins(timeout_seconds=timeout_seconds)
    return logins.attempt(login, ssl_mode=ssl_mode, authority=None)


def _with(login: DatabaseCredentials, **changed: Any) -> DatabaseCredentials:
    return credentials(
        **{
            "username": login.username,
            "password": login.password,
            "host": login.host,
            "port": login.port,
            **changed,
        }
    )


def test_a_good_login_is_taken_and_tells_how_many_there_may_be(login: DatabaseCredentials) -> None:
    assert _attempt(login) == Login(is_accepted=True, max_connections=200)


@pytest.mark.parametrize("password", ["canary", "p@ss/w:rd", "caf\u00e9", "a" * 5000])
def test_a_wrong_password_is_refused(login: DatabaseCredentials, password: str) -> None:
    assert _attempt(_with(login, password=password)) == Login(refusal="28P01")


def test_a_password_of_any_letters_is_taken(
    login: DatabaseCredentials, database_server: DatabaseServer
) -> None:
    password = "caf\u00e9 \\' %&"
    database_server.create_login("unusual", password)

    assert _attempt(_with(login, username="unusual", password=password)).is_accepted


def test_a_password_that_only_libpq_takes_is_no_refusal(login: DatabaseCredentials) -> None:
    assert _attempt(_with(login, password="\U0001f6d2")) == Login()


def test_a_user_who_may_not_log_in_is_refused(login: DatabaseCredentials) -> None:
    assert _attempt(_with(login, username="nobody")).refusal is not None


def test_a_database_that_is_missing_is_no_refusal(login: DatabaseCredentials) -> None:
    assert _attempt(_with(login, database="none")) == Login()


def test_a_server_without_tls_is_no_refusal(login: DatabaseCredentials) -> None:
    for mode in ("require", "verify-full"):
        assert _attempt(login, mode) == Login()


@pytest.fixture
def silent() -> Iterator[int]:
    """The port of a server that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def garbled() -> Iterator[int]:
    """The port of a server that speaks something else."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            taken, _ = server.accept()
            with taken:
                taken.recv(1024)
                taken.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        answering = threading.Thread(target=answer)
        answering.start()
        yield server.getsockname()[1]
        answering.join(10)


@pytest.fixture
def trickling() -> Iterator[Callable[[bytes], int]]:
    """Starts servers that begin with some bytes and then send one at a time; returns the port."""
    is_over, servers = threading.Event(), ExitStack()

    def start(beginning: bytes) -> int:
        server = servers.enter_context(socket.create_server(("127.0.0.1", 0)))

        def answer() -> None:
            taken, _ = server.accept()
            with taken, contextlib.suppress(OSError):
                taken.recv(1024)
                taken.sendall(beginning)
                # Bounded, so that this is no test that hangs.
                for _ in range(600):
                    taken.sendall(b"x")
                    if is_over.wait(0.1):
                        break

        answering = threading.Thread(target=answer)
        answering.start()
        servers.callback(answering.join, 15)
        return int(server.getsockname()[1])

    with servers:
        yield start
        is_over.set()


@pytest.mark.parametrize(
    ("ssl_mode", "beginning"),
    [("disable", b"S\x00\x0f\xff\xff"), ("require", b"S\x16\x03\x03\x3f\xff")],
    ids=["plain", "tls"],
)
def test_what_answers_a_byte_at_a_time_is_cut_off_in_time(
    login: DatabaseCredentials,
    trickling: Callable[[bytes], int],
    ssl_mode: str,
    beginning: bytes,
) -> None:
    began_at = time.monotonic()

    answer = _attempt(_with(login, port=trickling(beginning)), ssl_mode, timeout_seconds=2.0)

    assert answer == Login()
    # Not cut off it would be a minute.
    assert time.monotonic() - began_at < 30.0


def test_a_name_of_many_addresses_takes_no_longer(
    login: DatabaseCredentials, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(2):
            # What waits to be taken fills the queue: the next one is not answered.
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(server.getsockname())
        place = (socket.AF_INET, socket.SOCK_STREAM, 6, "", server.getsockname())
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [place] * 30)
        began_at = time.monotonic()

        assert _attempt(_with(login, host="many.invalid"), timeout_seconds=2.0) == Login()

        # Two seconds for each would be a minute.
        assert time.monotonic() - began_at < 30.0


def test_what_does_not_answer_is_no_refusal(login: DatabaseCredentials, silent: int) -> None:
    assert _attempt(_with(login, port=silent), timeout_seconds=2.0) == Login()
    assert _attempt(_with(login, port=1)) == Login()
    assert _attempt(_with(login, host="no-such-host.invalid")) == Login()


def test_what_is_no_postgresql_is_no_refusal(login: DatabaseCredentials, garbled: int) -> None:
    assert _attempt(_with(login, port=garbled)) == Login()
