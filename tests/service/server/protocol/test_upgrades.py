"""Requests that ask for another protocol: they get this one, and their bodies are bodies."""

import pytest

from tests.support.raw_http import GET, POST, Server

# As Java's HttpClient asks by default.
_H2C = POST + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n"


def test_upgrade_to_another_protocol_is_not_taken(server: Server) -> None:
    headers = b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    assert server.talk(GET[:-2] + headers).statuses == [200]


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
