"""A proxy before AWS that fails as a test says, and counts what it is asked."""

import enum
import http.client
import http.server
import json
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

from carthub_dev.aws import AwsServer
from carthub_dev.ports import free_port

_FORWARD_SECONDS = 20.0


class Fault(enum.Enum):
    """What becomes of a request to AWS."""

    # Nobody listens.
    DOWN = enum.auto()
    THROTTLED = enum.auto()
    BROKEN = enum.auto()
    # It is taken, and never answered.
    SILENT = enum.auto()
    RESET = enum.auto()
    # A page, as the portal of a network serves it.
    NO_JSON = enum.auto()
    # The first half of the answer: as if it were all of it, and with the connection cut.
    HALF = enum.auto()
    CUT_OFF = enum.auto()


_ANSWERS = {
    Fault.THROTTLED: (400, {"__type": "ThrottlingException", "message": "Rate exceeded"}),
    Fault.BROKEN: (500, {"__type": "InternalServiceError", "message": "try again"}),
}


class FaultyAws:
    """A context manager; forwards to AWS while there is no fault."""

    def __init__(self, aws: AwsServer) -> None:
        self.fault: Fault | None = None
        # When each request came.
        self.calls: list[float] = []
        self.over = threading.Event()
        self.target = (aws.address, aws.port)
        self._port = free_port()
        self._server: _Server | None = None

    @property
    def url(self) -> str:
        """What goes into AWS_ENDPOINT_URL."""
        return f"http://127.0.0.1:{self._port}"

    @contextmanager
    def failing(self, fault: Fault) -> Iterator[list[float]]:
        """Fail inside the body; yields when each request comes, as far as one can come."""
        self.calls = []
        self.over.clear()
        self.fault = fault
        if fault is Fault.DOWN:
            self._close()
        try:
            yield self.calls
        finally:
            self.fault = None
            self.over.set()
            if fault is Fault.DOWN:
                self._listen()

    def __enter__(self) -> Self:
        self._listen()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self._close()

    def _listen(self) -> None:
        self._server = _Server(("127.0.0.1", self._port), _Handler)
        self._server.owner = self
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def _close(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


class _Server(http.server.ThreadingHTTPServer):
    block_on_close = False
    owner: FaultyAws


class _Handler(http.server.BaseHTTPRequestHandler):
    """One request on each connection: HTTP/1.0."""

    server: _Server

    def do_POST(self) -> None:
        """Fail, or let moto answer."""
        owner = self.server.owner
        body = self.rfile.read(int(self.headers["Content-Length"]))
        fault = owner.fault
        owner.calls.append(time.monotonic())
        if fault in _ANSWERS:
            status, answer = _ANSWERS[fault]
            self._answer(status, json.dumps(answer).encode())
        elif fault is Fault.NO_JSON:
            self._answer(200, b"<html><body>Please log in</body></html>")
        elif fault is Fault.SILENT:
            owner.over.wait()
            self._reset()
        elif fault is Fault.RESET:
            self._reset()
        else:
            self._forward(body, fault)

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _forward(self, body: bytes, fault: Fault | None) -> None:
        there = http.client.HTTPConnection(*self.server.owner.target, timeout=_FORWARD_SECONDS)
        try:
            there.request("POST", self.path, body, dict(self.headers.items()))
            answered = there.getresponse()
            whole = answered.read()
        finally:
            there.close()
        is_cut = fault in {Fault.HALF, Fault.CUT_OFF}
        sent = whole[: len(whole) // 2] if is_cut else whole
        told = len(whole) if fault is Fault.CUT_OFF else len(sent)
        self._answer(answered.status, sent, length=told)

    def _answer(self, status: int, body: bytes, *, length: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)

    def _reset(self) -> None:
        # Closed without an end: the other side sees ECONNRESET.
        linger = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.connection.close()
