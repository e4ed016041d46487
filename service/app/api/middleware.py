"""Around every request: its trace, its duration, and an answer when something breaks."""

import time

import structlog
from fastapi import FastAPI, Request
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import telemetry
from app.api import problems

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
        """Answer one request inside its trace."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        with telemetry.traced(request.headers.get("traceparent")):
            await self._timed(request, receive, send)

    async def _timed(self, request: Request, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        status = 500
        is_started = False

        async def noting_status(message: Message) -> None:
            nonlocal status, is_started
            if message["type"] == "http.response.start":
                status, is_started = message["status"], True
            await send(message)

        try:
            await self._app(request.scope, receive, noting_status)
        except ClientDisconnect:
            # Gone before its body was complete: nobody reads an answer, and nothing failed here.
            status = _CLIENT_GONE
        except Exception:
            log.exception("request failed", method=request.method, route=_route(request.scope))
            if is_started:
                raise
            await problems.internal_error(request)(request.scope, receive, noting_status)
        finally:
            _observe(request, status, time.perf_counter() - started)


def _observe(request: Request, status: int, seconds: float) -> None:
    app: FastAPI = request.scope["app"]
    service = getattr(app.state, "service", None)
    if service is None:
        return
    method = request.method if request.method in _METHODS else "_OTHER"
    service.metrics.request_duration.labels(method, _route(request.scope), status).observe(seconds)


def _route(scope: Scope) -> str:
    # Never the path: it holds ids.
    return getattr(scope.get("route"), "path", None) or "unmatched"
