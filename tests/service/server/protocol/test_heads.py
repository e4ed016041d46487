"""The head of a request: how large it may be, and how long it and the next one may take."""

import itertools
import re

import pytest

from tests.support.raw_http import GET, POST, Server
from tests.support.small_service import (
    HEADER_BYTES,
    IN_TIME,
    KEEP_ALIVE_SECONDS,
    SECONDS,
    metrics,
)


def _padded(size: int) -> bytes:
    """Return a request whose line and headers have so many bytes, the empty line left out."""
    start = b"GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\nPad: "
    return start + b"x" * (size - len(start) - 2) + b"\r\n\r\n"


def test_headers_up_to_the_limit_are_taken(server: Server) -> None:
    assert server.talk(_padded(HEADER_BYTES)).statuses == [200]


@pytest.mark.parametrize("size", [HEADER_BYTES + 100, 10 * HEADER_BYTES, 200_000])
def test_headers_over_the_limit_are_refused(server: Server, size: int) -> None:
    problem = server.talk(_padded(size)).problem(431, "headers-too-large")
    assert problem["detail"] == f"the request's head is over {HEADER_BYTES} bytes"


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
    assert SECONDS <= answer.seconds < IN_TIME


def test_empty_lines_are_no_request(server: Server) -> None:
    answer = server.talk(*[b"\r\n"] * 40, pause_seconds=0.1)
    assert answer.seconds < IN_TIME


def test_connection_that_says_nothing_is_closed_without_a_word(server: Server) -> None:
    answer = server.talk()
    assert answer.raw == b""
    assert SECONDS <= answer.seconds < IN_TIME


def test_resting_connection_is_closed_without_a_word(server: Server) -> None:
    answer = server.talk(GET)
    assert answer.statuses == [200]
    assert KEEP_ALIVE_SECONDS <= answer.seconds < KEEP_ALIVE_SECONDS + IN_TIME


def test_what_was_cut_is_counted(server: Server) -> None:
    server.talk(_padded(HEADER_BYTES + 100))
    server.talk(POST + b"Content-Length: 50\r\n\r\n")
    text = metrics(server)
    assert re.search(r'carthub_refusals_total\{code="headers-too-large"\} [1-9]', text)
    assert re.search(
        r'duration_seconds_count\{.*method="POST".*status_code="408".*route="/api/v1/cart/items"',
        text,
    )
    assert re.search(r"carthub_http_connections [1-9]", text)
