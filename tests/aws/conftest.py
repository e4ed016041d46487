"""What the tests of deploy/aws share, installed before any test's time limit."""

import contextlib
from collections.abc import Iterator

import pytest

from carthub_dev.database import DatabaseServer
from carthub_dev.ledger import Ledger


@pytest.fixture(scope="session")
def checkov_installed() -> None:
    """For tests that run checkov: it is installed before any test."""


@pytest.fixture(scope="module")
def instance(ledger: Ledger) -> Iterator[DatabaseServer]:
    """A server as RDS hands it over: the administrator owns the database and is no superuser."""
    with DatabaseServer(ledger) as server:
        for statement in (
            "DROP DATABASE carthub",
            "DROP ROLE carthub_app",
            "DROP ROLE carthub_owner",
            "CREATE ROLE carthub_admin LOGIN CREATEROLE CREATEDB PASSWORD 'admin'",
            "CREATE DATABASE carthub OWNER carthub_admin",
        ):
            server.execute(statement, database="postgres")
        yield server


def pytest_collection_finish(session: pytest.Session) -> None:
    if session.config.option.collectonly:
        return
    used = {name for item in session.items for name in getattr(item, "fixturenames", ())}
    if "checkov_installed" in used:
        from tests.support import policy_tool  # noqa: PLC0415 - collection stays light

        capture = session.config.pluginmanager.getplugin("capturemanager")
        with capture.global_and_fixture_disabled() if capture else contextlib.nullcontext():
            policy_tool.install()
