"""What the tests of deploy/aws share, installed before any test's time limit."""

import contextlib

import pytest


@pytest.fixture(scope="session")
def checkov_installed() -> None:
    """For tests that run checkov: it is installed before any test."""


def pytest_collection_finish(session: pytest.Session) -> None:
    if session.config.option.collectonly:
        return
    used = {name for item in session.items for name in getattr(item, "fixturenames", ())}
    if "checkov_installed" in used:
        from tests.support import policy_tool  # noqa: PLC0415 - collection stays light

        capture = session.config.pluginmanager.getplugin("capturemanager")
        with capture.global_and_fixture_disabled() if capture else contextlib.nullcontext():
            policy_tool.install()
