"""uvicorn's HTTP/1.1 with the limits that it lacks, each kept before a request is complete.

Stock uvicorn takes headers and bodies of any size and waits for the rest of them forever. What is
cut off here is answered with a problem document where an answer can still be sent.

It is long because it is one class: the parser calls back for each part of a request, and every
callback looks at the same counts of a connection.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from app.api.middleware import CUT_STATE
from app.server import refusals, targets
from app.server.connections import Connections
from app.server.large_bodies import HeldBytes, LargeBodies
from app.server.one_write import OneWrite
from app.server.readers import Reader
from app.settings import Settings
from app.telemetry import Metrics

# A client that is cut off may still be sending; closed at once, it would not read why.
_LINGER_SECONDS = 1.0
# How long a closed connection may take to bring its last answer to the client.
_FLUSH_SECONDS = 10.0
_MOST_PIPELINED = 16
# What every connection may have of a body without asking. Nearly all requests are smaller.
_SMALL_BODY_BYTES = 16_384
_NEVER = float("inf")

# What of a request has begun to come, and must be complete in time. No Enum: Python 3.11 takes
# half a microsecond to find a member, and ten are asked for in each request.
_NOTHING, _HEAD, _BODY = range(3)


class _Cut(Exception):
    """Stops the parser inside of data that is not wanted any more."""


@dataclass
class Guard:
    """What the connections of one server share."""

    settings: Settings
    connections: Connections
    held: HeldBytes
    metrics: Callable[[], Metrics]


class GuardedProtocol(HttpToolsProtocol):
    """One connection."""

    def __init__(self, guard: Guard, **given: Any) -> None:  # noqa: ANN401 - uvicorn's own
        super().__init__(**given)
        self.silent_since = _NEVER
        self.has_spoken = False
        self._guard = guard
        self._most_head_bytes = guard.settings.http_max_header_bytes
        self._head_seconds = guard.settings.http_header_timeout_seconds
        self._body_seconds = guard.settings.http_body_timeout_seconds
        self._most_body_bytes = guard.settings.http_max_body_bytes
        # With what stands around chunks. One of six bytes doubles it; who sends smaller ones?
        self._most_raw_body_bytes = 2 * self._most_body_bytes + self._most_head_bytes
        self._awaited = _NOTHING
        self._ends_at = _NEVER
        self._is_ending = False
        self._has_begun = False
        self._is_head_complete = False
        # When the last data came, and how much.
        self._now = 0.0
        self._chunk_bytes = 0
        # Of the head that is coming: at most so many bytes, some of them perhaps an earlier body's.
        self._head_bytes = 0
        self._head_bytes_of_others = 0
        self._body_bytes = self._raw_body_bytes = self._trailer_bytes = 0
        # Of a request that asks for another protocol: the parser leaves its body to us.
        self._unparsed_body_bytes = 0
        self._large_bodies = LargeBodies(guard.held)
        self._reader = Reader(guard.settings.http_send_timeout_seconds)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        """Begin, or turn the client away."""
        super().connection_made(transport)
        if self._guard.connections.admit(self, self.connections):  # type: ignore[arg-type] # all are guarded
            self._await_head(self.silent_since)
        else:
            self._cut(503, "unavailable", "there are too many connections; try again")
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """End, for whatever reason."""
        self.silent_since = _NEVER
        self._large_bodies.let_all_go()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what has come, up to the limits."""
        if self._is_ending:
            return
        self._now = time.monotonic()
        self._chunk_bytes = len(data)
        if self._awaited == _NOTHING:
            self._await_head(self._now)
        if self._awaited == _HEAD:
            self._head_bytes += self._chunk_bytes
        else:
            self._raw_body_bytes += self._chunk_bytes
        try:
            self._feed(data)
        except httptools.HttpParserError:
            if not self._is_ending:
                self._cut(400, "malformed-request", "this is no HTTP/1.1 request")
        else:
            if self._awaited == _HEAD:
                self._check_head(self._head_bytes - self._head_bytes_of_others)
            elif self._awaited == _BODY and self._raw_body_bytes > self._most_raw_body_bytes:
                self._check_body(self._raw_body_bytes)

    def _feed(self, data: bytes) -> None:
        while data:
            if self._unparsed_body_bytes:
                data = self._take_unparsed(data)
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as asked:
                # To no other protocol: the request is answered as if it had not asked.
                data = data[asked.args[0] :]
            else:
                return

    def _take_unparsed(self, data: bytes) -> bytes:
        """Take what there is of a body that the parser skips; return what is behind it."""
        body, rest = data[: self._unparsed_body_bytes], data[self._unparsed_body_bytes :]
        self._unparsed_body_bytes -= len(body)
        self.on_body(body)
        if not self._unparsed_body_bytes:
            self.on_message_complete()
        return rest

    def on_message_begin(self) -> None:
        """Begin a request, perhaps behind another one in the same data."""
        super().on_message_begin()
        if self._awaited == _NOTHING:
            self._await_head(self._now)
            self._head_bytes = self._head_bytes_of_others = self._chunk_bytes
        self._has_begun = True

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; those behind a chunked body are counted, and otherwise ignored.

        They may not stand for any that belongs in the head (RFC 9110, 6.5.1).
        """
        if not self._is_head_complete:
            super().on_header(name, value)
            return
        self._trailer_bytes += len(name) + len(value) + 4
        self._check_head(self._trailer_bytes)
        if self._is_ending:
            raise _Cut

    def on_headers_complete(self) -> None:
        """Hand the request on, unless it is too large already."""
        self._is_head_complete = True
        if self._head_bytes > self._most_head_bytes:
            size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
            self._check_head(size)
        self.url = targets.origin_form(self.url)
        self._check_headers()
        if len(self.pipeline) >= _MOST_PIPELINED:
            self._end()
        if self._is_ending:
            raise _Cut
        self.silent_since, self.has_spoken = _NEVER, True
        super().on_headers_complete()
        # Not before: there may be no path, and then no body is waited for.
        self._awaited = _BODY
        self._ends_at = self._now + self._body_seconds
        self._body_bytes = self._raw_body_bytes = self._trailer_bytes = 0
        if self.cycle.scope["method"] != "HEAD":
            self.cycle.transport = OneWrite(self.cycle.transport)  # type: ignore[assignment] # all it uses

    def _check_headers(self) -> None:
        """Refuse what does not say clearly whom it is for, or what its body is."""
        length, is_chunked, hosts = 0, False, 0
        for name, value in self.headers:
            if name == b"host":
                hosts += 1
            elif name == b"content-length":
                length = int(value)
                self._check_body(length)
            elif name == b"transfer-encoding":
                is_chunked = True
        if hosts > 1 or (not hosts and self.parser.get_http_version() != "1.0"):
            # RFC 9112, 3.2: whoever stands between may take it for another one's.
            self._cut(400, "malformed-request", "a request must have one Host")
        if self.parser.should_upgrade():
            self._unparsed_body_bytes = length
            if is_chunked:
                detail = "a request that asks for another protocol must say its Content-Length"
                self._cut(400, "malformed-request", detail)

    def on_body(self, body: bytes) -> None:
        """Take a part of a body."""
        self._body_bytes += len(body)
        self._check_body(self._body_bytes)
        is_held = self._body_bytes > _SMALL_BODY_BYTES and not self.cycle.response_complete
        if is_held and not self._large_bodies.hold(self.cycle, len(body)):
            self._cut(503, "unavailable", "too many large bodies are on their way; try again")
        if self._is_ending:
            raise _Cut
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Wait for nothing more."""
        if self._unparsed_body_bytes:
            return
        self._awaited, self._ends_at = _NOTHING, _NEVER
        super().on_message_complete()
        if self.cycle.response_complete:
            self._rest()

    def on_response_complete(self) -> None:
        """Answer what was sent meanwhile, or let the connection rest.

        As uvicorn does, without its timer for each rest: `check` ends it.
        """
        self.server_state.total_requests += 1
        self._large_bodies.let_answered_go()
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        elif self._awaited == _NOTHING:
            self._rest()

    def send_400_response(self, msg: str) -> None:
        """Refuse what uvicorn itself does not understand."""
        self._cut(400, "malformed-request", msg)

    def check(self, now: float) -> None:
        """End the connection when something is due."""
        if self.transport.is_closing() and not self._is_ending:
            self._is_ending, self._ends_at = True, now + _FLUSH_SECONDS
        unsent_bytes = self.transport.get_write_buffer_size() if self.flow.write_paused else 0
        if self._reader.has_stalled(now, unsent_bytes):
            self._guard.metrics().connections_stalled.inc()
            self._abort()
        elif now < self._ends_at:
            return
        elif self._is_ending:
            self.transport.abort()
        elif self.flow.read_paused or self._is_ahead():
            # The application takes its time, not the client.
            self._ends_at = now + self._body_seconds
        elif self._awaited != _BODY and not self._has_begun:
            # Nothing of a request has come.
            self.transport.close()
        else:
            part = "head" if self._awaited == _HEAD else "body"
            self._cut(408, "receive-timeout", f"the request's {part} did not come in time")

    def make_room(self) -> None:
        """End the connection for another one."""
        self._guard.metrics().connections_closed.inc()
        self._abort()

    def _is_ahead(self) -> bool:
        # The next request has begun before the answer to this one.
        cycle: RequestResponseCycle | None = self.cycle
        return self._awaited == _HEAD and cycle is not None and not cycle.response_complete

    def _rest(self) -> None:
        if not self.transport.is_closing():
            self._has_begun = False
            self.silent_since = time.monotonic()
            self._ends_at = self.silent_since + self.timeout_keep_alive

    def _await_head(self, now: float) -> None:
        self._awaited = _HEAD
        self._ends_at = now + self._head_seconds
        self._head_bytes = self._head_bytes_of_others = 0
        self._has_begun = self._is_head_complete = False

    def _check_head(self, size: int) -> None:
        if size > (most := self._most_head_bytes):
            self._cut(431, "headers-too-large", f"the request's head is over {most} bytes")

    def _check_body(self, size: int) -> None:
        if size > (most := self._most_body_bytes):
            self._cut(413, "body-too-large", f"the body is over {most} bytes")

    def _cut(self, status: int, code: str, detail: str) -> None:
        """Take nothing more of the client, and tell it why where that is possible."""
        if self._is_ending:
            # One reason is enough, and one answer.
            return
        self._guard.metrics().refusals.labels(code).inc()
        cycle: RequestResponseCycle | None = self.cycle
        is_body = self._awaited == _BODY
        if cycle is None or cycle.response_complete:
            # Behind an answer that did not need the body another one would be the next request's.
            is_answerable = not is_body
        elif self.pipeline or not is_body or cycle.response_started:
            # Answers go out in the order of the requests, and none is taken back.
            self._abort(status)
            return
        else:
            is_answerable = True
        self._end(status)
        if is_answerable:
            self.transport.write(self._refusal(status, code, detail))
        self.transport.write_eof()

    def _abort(self, status: int = 0) -> None:
        self._end(status)
        self.transport.abort()

    def _end(self, status: int = 0) -> None:
        """Take nothing more; the application finds its client gone."""
        self._is_ending, self._ends_at = True, time.monotonic() + _LINGER_SECONDS
        self.silent_since = _NEVER
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is not None and not cycle.response_complete:
            cycle.scope["state"][CUT_STATE] = status
            cycle.disconnected = True
            # The connection lingers, and what came of the body need not.
            cycle.body = bytearray()
            cycle.message_event.set()

    def _refusal(self, status: int, code: str, detail: str) -> bytes:
        path, headers = "/", {}
        if self._is_head_complete:
            path = self.url.partition(b"?")[0].decode("ascii", "replace")
            headers = dict(self.headers)
        defaults = self.server_state.default_headers
        return refusals.response((status, code, detail), path, headers, defaults)
