"""Clients that read slowly or not at all, and more of them than there may be."""

import re
import socket
import time

import psutil

from tests.support import carts
from tests.support.raw_http import GET, NO_DATABASE, POST, Server
from tests.support.small_service import IN_TIME, SECONDS, SEND_SECONDS, metrics

_STALLED = "carthub_http_connections_stalled_total"


def _metric(server: Server, name: str) -> float:
    (value,) = re.findall(rf"^{name} (\S+)$", metrics(server), re.MULTILINE)
    return float(value)


def test_client_that_does_not_read_its_answers_is_cut(server: Server) -> None:
    asked = b"GET /docs/assets/redoc.standalone.js HTTP/1.1\r\nHost: x\r\n\r\n" * 8
    with server.connect() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        before = _metric(server, _STALLED)
        connection.sendall(asked)
        carts.wait_until(lambda: _metric(server, _STALLED) > before)


def test_client_that_reads_slowly_gets_its_answer(server: Server) -> None:
    with server.connect() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(
            b"GET /docs/assets/redoc.standalone.js HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        )
        received, began_at = 0, time.monotonic()
        while part := connection.recv(32_768):
            received += len(part)
            # A pace, and longer in all than a client may take nothing.
            time.sleep(0.03)
    assert time.monotonic() - began_at > 2 * SEND_SECONDS
    assert received > 500_000


def test_busy_connections_turn_new_ones_away(server: Server) -> None:
    begun = POST + b"Content-Length: 50\r\n\r\n"
    busy = [server.connect() for _ in range(30)]
    try:
        for connection in busy:
            connection.sendall(begun)
        time.sleep(0)
        answer = server.talk()
        answer.problem(503, "unavailable")
        assert b"retry-after: 1" in answer.raw
        assert answer.seconds < SECONDS
    finally:
        for connection in busy:
            connection.close()
    carts.wait_until(lambda: server.talk(GET).statuses == [200])


def test_silent_connections_make_room(server: Server) -> None:
    silent = [server.connect() for _ in range(30)]
    try:
        began_at = time.monotonic()
        carts.wait_until(lambda: server.talk(GET).statuses == [200])
        assert time.monotonic() - began_at < 1 + IN_TIME
    finally:
        for connection in silent:
            connection.close()


def test_files_for_all_connections_may_be_opened() -> None:
    code = (
        "import os, resource, sys;"
        "hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1];"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (100, hard));"
        "os.execv(sys.executable, [sys.executable, '-m', 'app'])"
    )
    environment = carts.service_environment(NO_DATABASE, HTTP_MAX_CONNECTIONS="300")
    with carts.service_process("-c", code, environment=environment) as process:
        carts.log_line(process.stdout, "listening")
        assert psutil.Process(process.pid).rlimit(psutil.RLIMIT_NOFILE)[0] == 556
