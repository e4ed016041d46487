"""What routes need: the running service, and threads of its own for the database."""

import asyncio
import contextvars
import functools
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Annotated, ParamSpec, TypeVar

from fastapi import Depends, Path, Request

from app.api import requests
from app.api.health import DatabaseHealth, Readiness
from app.api.schemas import Identifier
from app.cart.service import CartService
from app.settings import Settings
from app.telemetry import Metrics

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class Service:
    """Everything that lives as long as the process."""

    settings: Settings
    carts: CartService
    metrics: Metrics
    # As many threads as connections: no request waits for one inside a thread.
    executor: Executor
    health: DatabaseHealth
    readiness: Readiness

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a use case in a thread, with the request's trace."""
        context = contextvars.copy_context()
        call = functools.partial(context.run, work, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self.executor, call)


def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


RunningService = Annotated[Service, Depends(_service)]
CustomerId = Annotated[Identifier, Path(description="The customer whose cart it is")]
ProductId = Annotated[Identifier, Path(description="The product in the cart")]
IfMatch = Annotated[list[str] | None, Depends(requests.if_match)]
