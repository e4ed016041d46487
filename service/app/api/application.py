"""The ASGI application: FastAPI declares and documents, and serves what is asked for rarely."""

from collections.abc import Iterable
from typing import Any

from fastapi import APIRouter, FastAPI
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api import openapi, paths
from app.api.direct import DirectDispatch, DirectRoute


class Application(FastAPI):
    """FastAPI behind the direct routes, both behind the middleware."""

    def __init__(self, routers: Iterable[APIRouter], **options: Any) -> None:  # noqa: ANN401 - FastAPI's own
        super().__init__(**options)
        self._direct_routes: list[DirectRoute] = []
        for router in routers:
            self.include_router(router)
            self._direct_routes += [
                route for route in router.routes if isinstance(route, DirectRoute)
            ]

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI document."""
        return openapi.document(self)

    def build_middleware_stack(self) -> ASGIApp:
        """Return the layers of a request: our middleware, the direct routes, FastAPI."""
        ours, self.user_middleware = self.user_middleware, []
        usual = super().build_middleware_stack()
        self.user_middleware = ours
        # Starlette's outermost layer answers what nobody expected; ours does that for all.
        assert isinstance(usual, ServerErrorMiddleware)  # noqa: S101 - as documented
        app: ASGIApp = DirectDispatch(usual.app, self._direct_routes)
        for layer in reversed(ours):
            app = layer.cls(app, *layer.args, **layer.kwargs)
        return app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, past what FastAPI would look up for a tracer that is not here."""
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        scope["app"] = self
        if self.middleware_stack is None:
            self.middleware_stack = self.build_middleware_stack()
        if b"%" in (scope.get("raw_path") or b""):
            # A copy: what the server logs is the path as it read it.
            scope = {**scope, "path": paths.routed(scope["raw_path"], scope["path"])}
        await self.middleware_stack(scope, receive, send)
