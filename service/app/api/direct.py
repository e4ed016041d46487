"""Routes that are answered without the framework's dispatch, which costs more than PostgreSQL.

They are declared as FastAPI routes, and FastAPI makes the reference of them. A plan compiled from
the signature does what FastAPI would do, errors included; a contract test compares the two.
"""

from collections.abc import Callable, Coroutine, Iterable
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api import auth, plans, problems, rate_limits, requests


class DirectRoute(APIRoute):
    """A route that takes path and query parameters, one JSON body, and functions of Request.

    Its endpoint is async and returns a Response.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:  # noqa: ANN401 - FastAPI's own
        super().__init__(path, endpoint, **options)
        self.plan = plans.compiled(endpoint, self.dependant, self.param_convertors)
        self._is_api = path.startswith("/api/")

    async def admit(self, request: Request) -> None:
        """Raise what speaks against a request before any of it is read: who asks, how often."""
        if self._is_api:
            caller = await auth.caller(request)
            limiter = request.app.state.service.limiter
            if limiter is not None and (key := rate_limits.key_of(request, caller)) is not None:
                limiter.take(key)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return FastAPI's handler behind our reading of the body."""
        handle = super().get_route_handler()
        takes_body = self.body_field is not None

        async def handle_json(request: Request) -> Response:
            await self.admit(request)
            json_request = requests.JsonRequest(request.scope, request.receive)
            if takes_body:
                await json_request.json()
            return await handle(json_request)

        return handle_json


class DirectDispatch:
    """ASGI: answers direct routes, and leaves everything else to the application behind it."""

    def __init__(self, app: ASGIApp, routes: Iterable[DirectRoute]) -> None:
        self._app = app
        self._routes: dict[str, list[DirectRoute]] = {}
        for route in routes:
            for method in route.methods or ():
                self._routes.setdefault(method, []).append(route)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        # Below a path prefix the framework's router knows what to cut off.
        if scope["type"] == "http" and not scope.get("root_path"):
            for route in self._routes.get(scope["method"], ()):
                if found := route.path_regex.match(scope["path"]):
                    path_values = found.groupdict()
                    scope["route"], scope["path_params"] = route, path_values
                    request = Request(scope, receive)
                    try:
                        await route.admit(request)
                        response = await route.plan.answer(request, path_values)
                    except Exception as error:  # noqa: BLE001 - raised again unless it is known
                        response = await problems.answer_to(request, error)
                    await response(scope, receive, send)
                    return
        if scope["type"] == "http" and scope["method"] == "HEAD":
            # As GET; the server leaves the body out (RFC 9110, 9.3.2).
            asked = {**scope, "method": "GET"}
            await self(asked, receive, send)
            scope["route"] = asked.get("route")
            return
        await self._app(scope, receive, send)
