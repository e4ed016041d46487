"""The only wiring: settings -> database -> use cases -> HTTP. Importing it reads nothing."""

import asyncio
import contextlib
import importlib.metadata
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import timedelta
from typing import NoReturn

from fastapi import FastAPI

from app import settings, telemetry
from app.api import (
    cart_routes,
    documentation,
    info_routes,
    middleware,
    order_routes,
    problems,
)
from app.api.application import Application
from app.api.auth_keys import Issuer, SigningKeys
from app.api.auth_tokens import Tokens
from app.api.dependencies import Service
from app.api.health import DatabaseHealth, Readiness
from app.api.rate_limits import RateLimiter
from app.cart import rules
from app.cart.idempotency import OnceOnly
from app.cart.service import CartService
from app.db import lanes
from app.db.batches import Batches
from app.db.connections import Database
from app.db.workers import Workers
from app.deadlines import Deadlines
from app.housekeeping import Housekeeping
from app.migrations import compatibility
from app.telemetry import Metrics

_DESCRIPTION = (
    "Carts, checkout and orders. Errors are problem documents (RFC 9457), money is a decimal"
    " string, and every cart has a version that its ETag names."
)


def create_app(given: settings.Settings | None = None) -> FastAPI:
    """Return the application; without settings it reads the environment when it starts."""
    application = Application(
        (cart_routes.router, order_routes.router, info_routes.router),
        title="Carthub",
        summary="Shopping carts",
        description=_DESCRIPTION,
        version=importlib.metadata.version("carthub"),
        docs_url=None,
        redoc_url=None,
        # A path with a slash too many is not there: a redirect would name the wrong host or scheme.
        redirect_slashes=False,
        # Names that clients made from the document can have.
        generate_unique_id_function=lambda route: route.name,
        lifespan=_lifespan(given),
    )
    documentation.register(application)
    problems.register(application)
    application.add_middleware(middleware.Observed)
    return application


def _lifespan(
    given: settings.Settings | None,
) -> Callable[[FastAPI], contextlib.AbstractAsyncContextManager[None]]:
    @contextlib.asynccontextmanager
    async def lifespan(application: FastAPI) -> AsyncIterator[None]:
        chosen = given
        if chosen is None:  # uvicorn app.main:app; the launcher does both itself
            chosen = settings.load()
            telemetry.configure_logging(chosen.log_level)
        async with running_service(chosen) as service:
            application.state.service = service
            yield

    return lifespan


@contextlib.asynccontextmanager
async def running_service(chosen: settings.Settings) -> AsyncIterator[Service]:
    """Lend the parts that live as long as the process."""
    metrics = Metrics()
    database = Database(chosen)
    metrics.watch_pool(
        size=database.size, checked_out=database.checked_out, overflow=database.overflow
    )
    health = DatabaseHealth(
        lambda: _checked(database, chosen.db_connect_timeout_seconds), chosen.health_timeout_seconds
    )
    limits = rules.Limits(
        max_quantity=chosen.cart_max_quantity,
        max_lines=chosen.cart_max_lines,
        ttl=timedelta(days=chosen.cart_ttl_days),
        default_currency=chosen.cart_currency,
    )
    deadlines = Deadlines(chosen.request_deadline_seconds)
    workers = Workers(database, chosen, metrics.pool_wait.observe)
    housekeeping = _begun(Housekeeping(database, workers, metrics), chosen.housekeeping_seconds)
    tokens = _tokens(chosen, metrics)
    carts = CartService(database, limits)
    try:
        yield Service(
            settings=chosen,
            carts=carts,
            once=OnceOnly(database, wait=_wait_for_the_first(chosen)),
            metrics=metrics,
            workers=workers,
            reads=Batches(workers, carts.read),
            deadlines=deadlines,
            health=health,
            readiness=Readiness(),
            verifier=tokens,
            limiter=RateLimiter(chosen.rate_limit) if chosen.rate_limit else None,
        )
    finally:
        if housekeeping is not None:
            housekeeping.cancel()
        if tokens is not None:
            tokens.close()
        health.close()
        await workers.close()
        deadlines.close()
        database.close()


def _wait_for_the_first(chosen: settings.Settings) -> timedelta:
    # PostgreSQL would end the statement that waits, and it would not be told why.
    most_seconds = 0.8 * chosen.db_statement_timeout_seconds
    return timedelta(seconds=min(chosen.idempotency_wait_seconds, most_seconds))


def _begun(housekeeping: Housekeeping, interval_seconds: float) -> asyncio.Task[NoReturn] | None:
    if not interval_seconds:
        return None
    return asyncio.get_running_loop().create_task(housekeeping.run(interval_seconds))


def _tokens(chosen: settings.Settings, metrics: Metrics) -> Tokens | None:
    if chosen.auth_issuer is None or chosen.auth_audience is None:
        return None
    issuer = Issuer(chosen.auth_issuer, chosen.auth_jwks_url)
    return Tokens(
        SigningKeys(issuer.published, lambda outcome: metrics.key_fetches.labels(outcome).inc()),
        issuer=chosen.auth_issuer,
        audience=chosen.auth_audience,
        service_scope=chosen.auth_service_scope,
    )


def _checked(database: Database, most_seconds: float) -> Mapping[str, str]:
    # The process does not end before this thread, and nobody cuts its connection by then.
    with lanes.waiting_at_most(most_seconds), database.connection() as connection:
        served = compatibility.is_served(connection)
    return {"database": "ok", "schema": "ok" if served else "not migrated"}


app = create_app()
