"""Around every request: its trace, its deadline, its duration, and an answer when it breaks."""

import asyncio
import time

import structlog
from fastapi import Request
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import deadlines, telemetry
from app.api import problems
from app.api.dependencies import Service

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

# A method is the client's text: only known ones become a label.
_METHODS = {"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"}

# No status of HTTP's own; nginx made it common.
_CLIENT_GONE = 499


class Observed:
    """ASGI middleware; the outermost, so that nothing escapes it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request inside its trace, and before its deadline."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        with telemetry.traced(request.headers.get("traceparent")):
            answer = _Answer(request.app.state.service, send)
            try:
                await self._answered(request, receive, answer)
            finally:
                answer.observe(request)

    async def _answered(self, request: Request, receive: Receive, answer: "_Answer") -> None:
        seconds = answer.service.settings.request_deadline_seconds
        deadlines.begin(seconds)
        timeout = asyncio.timeout(seconds)
        try:
            async with timeout:
                await self._app(request.scope, receive, answer.send)
        except ClientDisconnect:
            # Gone before its body was complete: nobody reads an answer, and nothing failed here.
            answer.status = _CLIENT_GONE
        except Exception:
            if timeout.expired():
                log.warning("deadline exceeded", method=request.method, route=_route(request.scope))
                found = problems.deadline_exceeded(request, seconds)
            else:
                log.exception("request failed", method=request.method, route=_route(request.scope))
                found = problems.internal_error(request)
            if answer.is_started:
                raise
            await found(request.scope, receive, answer.send)


class _Answer:
    """What is sent of an answer, for the metrics."""

    def __init__(self, service: Service, send: Send) -> None:
        self.service = service
        self.status = 500
        self.is_started = False
        self._send = send
        self._began_at = time.perf_counter()

    async def send(self, message: Message) -> None:
        """Pass a message on."""
        if message["type"] == "http.response.start":
            self.status, self.is_started = message["status"], True
            if self.service.readiness.is_draining:
                # The next request over this connection would find nobody.
                message["headers"] = [*message["headers"], (b"connection", b"close")]
        await self._send(message)

    def observe(self, request: Request) -> None:
        """Count the request."""
        method = request.method if request.method in _METHODS else "_OTHER"
        self.service.metrics.request_duration.labels(
            method, _route(request.scope), self.status
        ).observe(time.perf_counter() - self._began_at)


def _route(scope: Scope) -> str:
    # Never the path: it holds ids.
    return getattr(scope.get("route"), "path", None) or "unmatched"
