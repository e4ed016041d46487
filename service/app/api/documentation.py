"""Swagger UI and ReDoc, every file of them served by this process: no page asks the internet."""

import importlib.util
from pathlib import Path

from fastapi import APIRouter, FastAPI, Request
from fastapi.openapi.docs import (
    get_redoc_html,
    get_swagger_ui_html,
    get_swagger_ui_oauth2_redirect_html,
)
from fastapi.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

_ASSETS = "/docs/assets"
_OAUTH2 = "/docs/oauth2-redirect"

# ReDoc's script asks a host of its maker for a logo; browsers that obey this do not.
_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline';"
    " img-src 'self' data:; font-src 'self' data:; worker-src 'self' blob:;"
    " frame-ancestors 'none'"
)

router = APIRouter(include_in_schema=False)


def register(app: FastAPI) -> None:
    """Add the pages and their files."""
    app.include_router(router)
    app.mount(_ASSETS, StaticFiles(directory=_assets_folder()), name="documentation-assets")


def _assets_folder() -> Path:
    # Only the files of this package: its own FastAPI subclass would add another set of pages.
    spec = importlib.util.find_spec("fastapi_offline")
    assert spec is not None  # noqa: S101 - a dependency
    assert spec.origin is not None  # noqa: S101 - a regular package
    return Path(spec.origin).parent / "static"


@router.get("/docs")
async def swagger_ui(request: Request) -> HTMLResponse:
    """Return the page on which requests can be tried."""
    root = request.scope.get("root_path", "")
    page = get_swagger_ui_html(
        openapi_url=f"{root}/openapi.json",
        title=f"{request.app.title} - Swagger UI",
        swagger_js_url=f"{root}{_ASSETS}/swagger-ui-bundle.js",
        swagger_css_url=f"{root}{_ASSETS}/swagger-ui.css",
        swagger_favicon_url=f"{root}{_ASSETS}/favicon.png",
        oauth2_redirect_url=f"{root}{_OAUTH2}",
    )
    return _at_home(page)


@router.get(_OAUTH2)
async def swagger_ui_redirect() -> HTMLResponse:
    """Return the page that hands a login back to Swagger UI."""
    return get_swagger_ui_oauth2_redirect_html()


@router.get("/redoc")
async def redoc(request: Request) -> HTMLResponse:
    """Return the page to read."""
    root = request.scope.get("root_path", "")
    page = get_redoc_html(
        openapi_url=f"{root}/openapi.json",
        title=f"{request.app.title} - ReDoc",
        redoc_js_url=f"{root}{_ASSETS}/redoc.standalone.js",
        redoc_favicon_url=f"{root}{_ASSETS}/favicon.png",
        with_google_fonts=False,
    )
    return _at_home(page)


def _at_home(page: HTMLResponse) -> HTMLResponse:
    page.headers["Content-Security-Policy"] = _POLICY
    return page
