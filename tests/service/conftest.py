from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import structlog
from starlette.testclient import TestClient

from app.migrations import command
from tests.support import carts, fixtures
from tests.support.browser import browser

if TYPE_CHECKING:
    from carthub_dev.database import DatabaseServer

__all__ = ["browser"]

_ROOT_CONFTEST = Path(fixtures.__file__).parents[1] / "conftest.py"


def pytest_configure(config: pytest.Config) -> None:
    # `pytest tests/` in the folder service/ comes through a link, past the conftest above.
    if not config.pluginmanager.has_plugin(str(_ROOT_CONFTEST)):
        config.pluginmanager.register(fixtures)


@pytest.fixture(scope="session", autouse=True)
def _short_log() -> Iterator[None]:
    # structlog's default draws tracebacks with every variable: seconds each.
    renderer = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[structlog.stdlib.add_log_level, renderer])
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def migrated_url(database_server: "DatabaseServer") -> Iterator[str]:
    """A migrated database that tests share: each has customers of its own."""
    url = database_server.fresh_database()
    command.migrate(carts.settings_for(url))
    yield url
    database_server.drop_database(url)


@pytest.fixture
def empty_url(database_server: "DatabaseServer") -> Iterator[str]:
    """A database without a schema, for one test."""
    url = database_server.fresh_database()
    yield url
    database_server.drop_database(url)


@pytest.fixture
def own_url(empty_url: str) -> str:
    """A migrated database for one test."""
    command.migrate(carts.settings_for(empty_url))
    return empty_url


@pytest.fixture(scope="session")
def client(migrated_url: str) -> Iterator[TestClient]:
    """A client of an application with default settings."""
    with carts.running_client(carts.settings_for(migrated_url)) as running:
        yield running


@pytest.fixture(params=["", "/prefix"], ids=["direct", "framework"])
def either_way(request: pytest.FixtureRequest, client: TestClient) -> TestClient:
    """A client of either dispatch: below a path prefix no route is direct."""
    found = TestClient(client.app, root_path=request.param)
    found.portal = client.portal
    return found


@pytest.fixture
def shopper(client: TestClient) -> carts.Shopper:
    return carts.new_shopper(client)
