"""What the service is, whether it is well, and its metrics."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.exceptions import HTTPException

from app.api import problems
from app.api.dependencies import RunningService
from app.api.direct import DirectRoute
from app.api.openapi import answers
from app.api.schemas import Alive, Health, Information

router = APIRouter(tags=["service"], route_class=DirectRoute)


@router.get("/", summary="Service information", response_model=Information)
async def information(request: Request) -> Response:
    """Return name, version and links, without asking the database."""
    links = {
        "documentation": "/docs",
        "reference": "/redoc",
        "openapi": "/openapi.json",
        "health": "/health",
    }
    return JSONResponse({"name": request.app.title, "version": request.app.version, "links": links})


@router.get("/health", summary="Health check", response_model=Health, responses=answers(503))
async def health(request: Request, service: RunningService) -> Response:
    """Say whether the database can be used, and by requests: the pool's connections are others.

    What the database answered is at most a second old.
    """
    checks = {**await service.health.checks(), "pool": service.workers.state()}
    if all(answer == "ok" for answer in checks.values()):
        return JSONResponse({"status": "ok", "checks": checks})
    failing = ", ".join(f"{name} {answer}" for name, answer in checks.items() if answer != "ok")
    return problems.unavailable(request, failing, {"checks": checks})


@router.get("/health/ready", summary="Readiness", response_model=Alive, responses=answers(503))
async def ready(request: Request, service: RunningService) -> Response:
    """Say whether this process wants requests: yes until it is told to stop."""
    if service.readiness.is_draining:
        return problems.unavailable(request, "this process is stopping")
    return JSONResponse({"status": "ok"})


@router.get("/health/live", summary="Liveness", response_model=Alive)
async def live() -> Response:
    """Say that the process answers; nothing else is asked."""
    return JSONResponse({"status": "ok"})


@router.get("/metrics", include_in_schema=False)
async def metrics(service: RunningService) -> Response:
    """Return the metrics, in development; in production they have a port of their own."""
    if service.settings.environment == "production":
        raise HTTPException(404)
    return Response(generate_latest(service.metrics.registry), media_type=CONTENT_TYPE_LATEST)
