"""What routes need: the running service, and a way to the database."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, ParamSpec, TypeVar

from fastapi import Depends, Path, Request

from app.api import requests
from app.api.auth import Verifier
from app.api.health import DatabaseHealth, Readiness
from app.api.rate_limits import RateLimiter
from app.api.schemas import Identifier
from app.cart.idempotency import OnceOnly
from app.cart.service import CartService, CartVersion
from app.db.batches import Batches
from app.db.jobs import Effect
from app.db.workers import Workers
from app.deadlines import Deadlines
from app.settings import Settings
from app.telemetry import Metrics

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class Service:
    """Everything that lives as long as the process."""

    settings: Settings
    carts: CartService
    once: OnceOnly
    metrics: Metrics
    workers: Workers
    # GETs of carts, many in one statement.
    reads: Batches[str, CartVersion]
    deadlines: Deadlines
    health: DatabaseHealth
    readiness: Readiness
    verifier: Verifier | None
    limiter: RateLimiter | None

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a use case with a connection; never again when it may have happened already."""
        return await self.workers.run(functools.partial(work, *args, **kwargs), Effect.ONCE)

    async def run_repeatable(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a use case that changes the same however often it happens.

        Also one whose request carries an idempotency key: the second time finds the first.
        """
        return await self.workers.run(functools.partial(work, *args, **kwargs), Effect.IDEMPOTENT)

    async def run_read(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a use case that changes nothing."""
        return await self.workers.run(functools.partial(work, *args, **kwargs), Effect.SAFE)


def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


RunningService = Annotated[Service, Depends(_service)]
CustomerId = Annotated[
    Identifier, Path(description="The customer whose cart it is", examples=["c-1"])
]
ProductId = Annotated[Identifier, Path(description="The product in the cart", examples=["mug"])]
IfMatch = Annotated[list[str] | None, Depends(requests.if_match)]
