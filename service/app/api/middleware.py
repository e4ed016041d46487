"""Around every request: its trace, its deadline, its duration, and an answer when it breaks."""

import asyncio
import time

import structlog
from fastapi import Request
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import telemetry
from app.api import problems
from app.api.dependencies import Service

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

# A method is the client's text: only known ones become a label.
_METHODS = {"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"}

# No status of HTTP's own; nginx made it common.
_CLIENT_GONE = 499
# Where the server says what it answered itself when it cut a request off.
CUT_STATE = "cut"


class Observed:
    """ASGI middleware; the outermost, so that nothing escapes it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request inside its trace, and before its deadline."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        trace = telemetry.begin_trace(_traceparent(scope))
        answer = _Answer(scope["app"].state.service, send, trace)
        try:
            await self._answered(scope, receive, answer)
        finally:
            answer.observe(scope)

    async def _answered(self, scope: Scope, receive: Receive, answer: "_Answer") -> None:
        deadlines = answer.service.deadlines
        most_bytes = answer.service.settings.http_max_body_bytes
        task = deadlines.begin()
        try:
            await self._app(scope, _bounded(receive, most_bytes), answer.send)
        except ClientDisconnect:
            # Gone before its body was complete: nobody reads an answer, and nothing failed here.
            answer.status = scope.get("state", {}).get(CUT_STATE) or _CLIENT_GONE
        except asyncio.CancelledError:
            if not deadlines.end(task) or answer.is_started:
                raise
            log.warning("deadline exceeded", method=scope["method"], route=_route(scope))
            late = problems.deadline_exceeded(Request(scope), deadlines.seconds)
            await late(scope, receive, answer.send)
        except Exception:
            log.exception("request failed", method=scope["method"], route=_route(scope))
            if answer.is_started:
                raise
            await problems.internal_error(Request(scope))(scope, receive, answer.send)
        finally:
            deadlines.end(task)


class _Answer:
    """What is sent of an answer, for the metrics."""

    def __init__(self, service: Service, send: Send, trace: str) -> None:
        self.service = service
        self.status = 500
        self.is_started = False
        self._send = send
        self._trace = trace
        self._began_at = time.perf_counter()

    async def send(self, message: Message) -> None:
        """Pass a message on."""
        if message["type"] == "http.response.start":
            self.status, self.is_started = message["status"], True
            # W3C Trace Context, level 2.
            own = [(b"traceresponse", self._trace.encode())]
            if self.service.readiness.is_draining:
                # The next request over this connection would find nobody.
                own.append((b"connection", b"close"))
            message["headers"] = [*message["headers"], *own]
        await self._send(message)

    def observe(self, scope: Scope) -> None:
        """Count the request."""
        method = scope["method"] if scope["method"] in _METHODS else "_OTHER"
        seconds = time.perf_counter() - self._began_at
        self.service.metrics.observe_request(method, _route(scope), self.status, seconds)


def _traceparent(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == b"traceparent":
            text: str = value.decode("latin-1")
            return text
    return None


def _bounded(receive: Receive, most: int) -> Receive:
    # For any server; our own does not let it come so far.
    size = 0

    async def bounded() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > most:
            raise problems.BadRequest(413, "body-too-large", f"the body is over {most} bytes")
        return message

    return bounded


def _route(scope: Scope) -> str:
    # Never the path: it holds ids.
    return getattr(scope.get("route"), "path", None) or "unmatched"
