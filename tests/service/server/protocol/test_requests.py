"""What is a request and what is none, and several in one piece on a connection."""

import re

import pytest

from tests.support.raw_http import GET, POST, Server
from tests.support.small_service import CLOSE


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
        POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n{}",
        POST + b"Content-Length: 99999999999999999999999\r\n\r\n{}",
        POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
def test_bytes_that_are_no_request_are_refused(server: Server, request_bytes: bytes) -> None:
    server.talk(request_bytes).problem(400, "malformed-request")


@pytest.mark.parametrize("target", [b"http://x", b"http://x?q", b"http://x/health/live?q"])
def test_target_that_names_the_server_too_is_taken(server: Server, target: bytes) -> None:
    request = GET.replace(b"/health/live", target)[:-2] + CLOSE + b"\r\n"
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
    head = server.talk(ask.replace(b"GET", b"HEAD") + GET[:-2] + CLOSE + b"\r\n")
    assert head.statuses == [whole.statuses[0], 200]
    length = re.compile(rb"(?i)content-length: \d+")
    assert length.findall(head.raw)[0] == length.findall(whole.raw)[0]


def test_requests_in_one_piece_are_answered_in_their_order(server: Server) -> None:
    first = b"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n"
    assert server.talk(first + GET + first + GET).statuses == [404, 200, 404, 200]


def test_large_body_and_the_next_request_in_one_piece_are_two_requests(server: Server) -> None:
    body = b" " * 60_000
    post = POST + b"Content-Length: 60000\r\n\r\n" + body
    answer = server.talk(post + GET[:20], GET[20:], pause_seconds=0.05)
    assert answer.statuses == [400, 200]


def test_no_more_requests_are_queued_on_a_connection_than_it_takes(server: Server) -> None:
    answer = server.talk(GET * 500)
    assert len(answer.statuses) < 30


def test_empty_line_behind_a_request_does_no_harm(server: Server) -> None:
    answer = server.talk(GET + b"\r\n")
    assert answer.statuses == [200]
    assert b"408" not in answer.raw
