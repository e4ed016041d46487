import contextlib
import http.client
import itertools
import re
import socket
import time
from collections.abc import Iterator

import psutil
import pytest

from tests.support import carts
from tests.support.carts import ITEMS, problem_of
from tests.support.raw_http import GET, NO_DATABASE, Server, running_server

_HEADER_BYTES = 4096
_BODY_BYTES = 65_536
_HELD_BYTES = 200_000
_SECONDS = 0.6
# A deadline, the sweep that finds it, and a machine that is busy.
_IN_TIME = _SECONDS + 0.5 + 2
_TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
_POST = f"POST {ITEMS} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n".encode()
_CLOSE = b"Connection: close\r\n"
_LARGE = _POST + _CLOSE + b"Content-Length: 60000\r\n\r\n"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A service with small limits."""
    limits = {
        "http_max_header_bytes": _HEADER_BYTES,
        "http_max_body_bytes": _BODY_BYTES,
        "http_max_held_body_bytes": _HELD_BYTES,
        "http_header_timeout_seconds": _SECONDS,
        "http_body_timeout_seconds": _SECONDS,
        "http_send_timeout_seconds": _SECONDS,
        "http_keep_alive_seconds": 1,
        "http_max_connections": 30,
    }
    with running_server(limits) as running:
        yield running


def _padded(size: int) -> bytes:
    """Return a request whose line and headers have so many bytes, the empty line left out."""
    start = b"GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\nPad: "
    return start + b"x" * (size - len(start) - 2) + b"\r\n\r\n"


def _metric(server: Server, name: str) -> float:
    answer = server.talk(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    (value,) = re.findall(rf"^{name} (\S+)$", answer.raw.decode(), re.MULTILINE)
    return float(value)


def _chunks(*, forever: bytes) -> Iterator[bytes]:
    yield _POST + b"Transfer-Encoding: chunked\r\n\r\n"
    chunk = b"%x\r\n%b\r\n" % (len(forever), forever)
    yield from itertools.repeat(chunk)


def test_headers_up_to_the_limit_are_taken(server: Server) -> None:
    assert server.talk(_padded(_HEADER_BYTES)).statuses == [200]


@pytest.mark.parametrize("size", [_HEADER_BYTES + 100, 10 * _HEADER_BYTES, 200_000])
def test_headers_over_the_limit_are_refused(server: Server, size: int) -> None:
    problem = server.talk(_padded(size)).problem(431, "headers-too-large")
    assert problem["detail"] == f"the request's head is over {_HEADER_BYTES} bytes"


@pytest.mark.parametrize(
    "endless", [b"GET /" + b"x" * 512, GET[:-2] + b"A: b\r\n" * 90, b"x" * 700]
)
def test_head_without_end_is_refused(server: Server, endless: bytes) -> None:
    answer = server.talk(*itertools.repeat(endless[-512:], 100_000))
    assert answer.statuses in ([431], [400])


def test_headers_without_end_are_refused(server: Server) -> None:
    parts = itertools.chain([GET[:-2]], itertools.repeat(b"A: b\r\n" * 90))
    server.talk(*itertools.islice(parts, 10_000)).problem(431, "headers-too-large")


def test_header_value_without_end_is_refused(server: Server) -> None:
    parts = itertools.chain([GET[:-2], b"A: "], itertools.repeat(b"b" * 500))
    server.talk(*itertools.islice(parts, 10_000)).problem(431, "headers-too-large")


def test_headers_that_come_slowly_are_given_up(server: Server) -> None:
    answer = server.talk(*(GET[i : i + 1] for i in range(30)), pause_seconds=0.1)
    problem = answer.problem(408, "receive-timeout")
    assert problem["detail"] == "the request's head did not come in time"
    assert _SECONDS <= answer.seconds < _IN_TIME


def test_empty_lines_are_no_request(server: Server) -> None:
    answer = server.talk(*[b"\r\n"] * 40, pause_seconds=0.1)
    assert answer.seconds < _IN_TIME


def test_connection_that_says_nothing_is_closed_without_a_word(server: Server) -> None:
    answer = server.talk()
    assert answer.raw == b""
    assert _SECONDS <= answer.seconds < _IN_TIME


def test_resting_connection_is_closed_without_a_word(server: Server) -> None:
    answer = server.talk(GET)
    assert answer.statuses == [200]
    assert 1 <= answer.seconds < 1 + _IN_TIME


def test_body_that_comes_slowly_is_given_up(server: Server) -> None:
    head = _POST + f"traceparent: 00-{_TRACE}-00f067aa0ba902b7-01\r\n".encode()
    answer = server.talk(head + b"Content-Length: 50\r\n\r\n", *[b"{"] * 30, pause_seconds=0.1)
    problem = answer.problem(408, "receive-timeout")
    assert (problem["instance"], problem["trace_id"]) == (ITEMS, _TRACE)
    assert _SECONDS <= answer.seconds < _IN_TIME


def test_body_of_a_request_that_is_answered_already_is_given_up_too(server: Server) -> None:
    head = b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n"
    answer = server.talk(head, b"x" * 10)
    assert answer.statuses == [200]
    assert answer.seconds < _IN_TIME


def test_body_that_is_announced_too_large_is_refused_before_it_comes(server: Server) -> None:
    head = _POST + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % (_BODY_BYTES + 1)
    answer = server.talk(head)
    answer.problem(413, "body-too-large")
    assert answer.statuses == [413]


def test_body_up_to_the_limit_is_taken(server: Server) -> None:
    head = _POST + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % _BODY_BYTES
    assert server.talk(head, b" " * _BODY_BYTES).statuses == [400]


def _is_full(server: Server) -> bool:
    """Tell whether one more large body is refused while three are nearly whole."""
    with contextlib.ExitStack() as held:
        for _ in range(3):
            held.enter_context(server.connect()).sendall(_LARGE + b" " * 59_999)
        answer = server.talk(_LARGE + b" " * 60_000)
        assert server.talk(_POST + _CLOSE + b"Content-Length: 2\r\n\r\n{}").statuses == [422]
    if answer.statuses == [400]:
        # The machine is busy: not all of it had come, or it was given up.
        return False
    answer.problem(503, "unavailable")
    return True


def test_large_bodies_of_all_connections_together_are_limited(server: Server) -> None:
    carts.wait_until(lambda: _is_full(server))
    carts.wait_until(lambda: server.talk(_LARGE + b" " * 60_000).statuses == [400])


def test_large_bodies_that_are_answered_are_held_no_longer(server: Server) -> None:
    headers = {"Content-Type": "application/json"}
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", server.port)) as connection:
        for _ in range(5):
            connection.request("POST", ITEMS, b" " * 60_000, headers)
            # Each is answered before the next comes: all at once they may be too many.
            with connection.getresponse() as answer:
                assert answer.status == 400
                answer.read()


def test_chunks_without_end_are_refused(server: Server) -> None:
    parts = itertools.islice(_chunks(forever=b"x" * 1000), 100_000)
    server.talk(*parts).problem(413, "body-too-large")


def test_chunks_without_end_behind_an_answer_are_cut(server: Server) -> None:
    head = b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    parts = itertools.chain([head], itertools.repeat(b"3e8\r\n" + b"x" * 1000 + b"\r\n"))
    answer = server.talk(*itertools.islice(parts, 100_000))
    # The answer, or the limit on the body: on a busy machine the limit may be met before it.
    assert answer.statuses in ([200], [413])
    assert answer.seconds < _IN_TIME


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"hello\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nA : b\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
        b"GET http://[/ HTTP/1.1\r\nHost: x\r\n\r\n",
        b"CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n",
        _POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        _POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n{}",
        _POST + b"Content-Length: 99999999999999999999999\r\n\r\n{}",
        _POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
def test_bytes_that_are_no_request_are_refused(server: Server, request_bytes: bytes) -> None:
    server.talk(request_bytes).problem(400, "malformed-request")


@pytest.mark.parametrize("target", [b"http://x", b"http://x?q", b"http://x/health/live?q"])
def test_target_that_names_the_server_too_is_taken(server: Server, target: bytes) -> None:
    request = GET.replace(b"/health/live", target)[:-2] + _CLOSE + b"\r\n"
    assert server.talk(request).statuses == [200]


def test_request_with_several_faults_has_one_answer(server: Server) -> None:
    asked = b"POST / HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n"
    assert server.talk(asked).statuses == [413]


def test_http_1_0_needs_no_host(server: Server) -> None:
    assert server.talk(b"GET / HTTP/1.0\r\n\r\n").statuses == [200]


@pytest.mark.parametrize("path", [b"/", b"/docs", b"/openapi.json"])
def test_head_is_answered_as_get_without_its_body(server: Server, path: bytes) -> None:
    ask = GET.replace(b"/health/live", path)
    whole = server.talk(ask)
    head = server.talk(ask.replace(b"GET", b"HEAD") + GET[:-2] + _CLOSE + b"\r\n")
    assert head.statuses == [whole.statuses[0], 200]
    length = re.compile(rb"(?i)content-length: \d+")
    assert length.findall(head.raw)[0] == length.findall(whole.raw)[0]


def test_requests_in_one_piece_are_answered_in_their_order(server: Server) -> None:
    first = b"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n"
    assert server.talk(first + GET + first + GET).statuses == [404, 200, 404, 200]


def test_large_body_and_the_next_request_in_one_piece_are_two_requests(server: Server) -> None:
    body = b" " * 60_000
    post = _POST + b"Content-Length: 60000\r\n\r\n" + body
    answer = server.talk(post + GET[:20], GET[20:], pause_seconds=0.05)
    assert answer.statuses == [400, 200]


def test_no_more_requests_are_queued_on_a_connection_than_it_takes(server: Server) -> None:
    answer = server.talk(GET * 500)
    assert len(answer.statuses) < 30


def test_empty_line_behind_a_request_does_no_harm(server: Server) -> None:
    answer = server.talk(GET + b"\r\n")
    assert answer.statuses == [200]
    assert b"408" not in answer.raw


def test_upgrade_to_another_protocol_is_not_taken(server: Server) -> None:
    headers = b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    assert server.talk(GET[:-2] + headers).statuses == [200]


# As Java's HttpClient asks by default.
_H2C = _POST + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n"


@pytest.mark.parametrize("cut_at", [0, 1, 2])
def test_body_of_a_request_that_asks_for_another_protocol_is_taken(
    server: Server, cut_at: int
) -> None:
    head, body = _H2C + b"Content-Length: 2\r\n\r\n", b"{}" + GET
    answer = server.talk(head + body[:cut_at], body[cut_at:], pause_seconds=0.1)
    assert answer.statuses == [422, 200]


def test_body_of_a_request_that_asks_for_another_protocol_is_no_request(server: Server) -> None:
    head = _H2C + b"Content-Length: %d\r\n\r\n" % len(GET)
    assert server.talk(head, GET, pause_seconds=0.1).statuses == [400]


def test_chunks_of_a_request_that_asks_for_another_protocol_are_refused(server: Server) -> None:
    answer = server.talk(_H2C + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n")
    problem = answer.problem(400, "malformed-request")
    assert "Content-Length" in problem["detail"]
    assert answer.statuses == [400]


_CHUNKED = _POST + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n"


def test_trailers_are_no_headers(server: Server) -> None:
    own = "0af7651916cd43dd8448eb211c80319c"
    head = _CHUNKED.replace(
        b"\r\n\r\n", f"\r\ntraceparent: 00-{own}-b7ad6b7169203331-01\r\n\r\n".encode()
    )
    trailer = f"traceparent: 00-{_TRACE}-00f067aa0ba902b7-01\r\n\r\n".encode()
    answer = server.talk(head + b"2\r\n{}\r\n", b"0\r\n" + trailer)
    assert answer.problem(422, "validation-failed")["trace_id"] == own


@pytest.mark.parametrize(
    ("endless", "status", "code"),
    [
        (b"0\r\n" + b"x: y\r\n" * 100, 431, "headers-too-large"),
        (b"0\r\nx: " + b"y" * 500, 413, "body-too-large"),
        (b"1;" + b"x" * 500, 413, "body-too-large"),
    ],
    ids=["trailers", "one trailer", "chunk extension"],
)
def test_what_stands_around_chunks_without_end_is_refused(
    server: Server, endless: bytes, status: int, code: str
) -> None:
    parts = itertools.chain([_CHUNKED, endless], itertools.repeat(endless[-498:], 10_000))
    server.talk(*parts).problem(status, code)


def test_client_that_does_not_read_its_answers_is_cut(server: Server) -> None:
    asked = b"GET /docs/assets/redoc.standalone.js HTTP/1.1\r\nHost: x\r\n\r\n" * 8
    with server.connect() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(asked)
        carts.wait_until(lambda: _metric(server, "carthub_http_connections_stalled_total") == 1)


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
    assert time.monotonic() - began_at > 2 * _SECONDS
    assert received > 500_000


def test_busy_connections_turn_new_ones_away(server: Server) -> None:
    begun = _POST + b"Content-Length: 50\r\n\r\n"
    busy = [server.connect() for _ in range(30)]
    try:
        for connection in busy:
            connection.sendall(begun)
        time.sleep(0)
        answer = server.talk()
        answer.problem(503, "unavailable")
        assert b"retry-after: 1" in answer.raw
        assert answer.seconds < _SECONDS
    finally:
        for connection in busy:
            connection.close()
    carts.wait_until(lambda: server.talk(GET).statuses == [200])


def test_silent_connections_make_room(server: Server) -> None:
    silent = [server.connect() for _ in range(30)]
    try:
        began_at = time.monotonic()
        carts.wait_until(lambda: server.talk(GET).statuses == [200])
        assert time.monotonic() - began_at < 1 + _IN_TIME
    finally:
        for connection in silent:
            connection.close()


def test_what_was_cut_is_counted(server: Server) -> None:
    server.talk(_padded(_HEADER_BYTES + 100))
    server.talk(_POST + b"Content-Length: 50\r\n\r\n")
    metrics = server.talk(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    text = metrics.raw.decode()
    assert re.search(r'carthub_refusals_total\{code="headers-too-large"\} [1-9]', text)
    assert re.search(
        r'duration_seconds_count\{.*method="POST".*status_code="408".*route="/api/v1/cart/items"',
        text,
    )
    assert re.search(r"carthub_http_connections [1-9]", text)


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


def test_body_over_the_limit_is_refused_by_every_server(migrated_url: str) -> None:
    settings = carts.settings_for(migrated_url, http_max_body_bytes=2000)
    with carts.running_client(settings) as client:
        shopper = carts.new_shopper(client)
        assert shopper.add(members={"name": "x" * 256}).status_code == 201
        answer = shopper.add(members={"name": "x" * 2000})
        problem_of(answer, 413, "body-too-large")
        assert shopper.cart()["version"] == 1
