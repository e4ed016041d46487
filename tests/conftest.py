"""What every test may ask for, and how long the shared parts took to start."""

import contextlib

import pytest

from tests.support.fixtures import (
    aws_server,
    control_plane,
    control_plane_tools,
    database_server,
    ledger,
    load_generator,
    start_times,
)

__all__ = [
    "aws_server",
    "control_plane",
    "control_plane_tools",
    "database_server",
    "ledger",
    "load_generator",
]

_CONTROL_PLANE = (("etcd", "etcd"), ("kubernetes", "kube-apiserver"))
# Fixture -> the binaries it runs.
_TOOLS = {
    "control_plane": _CONTROL_PLANE,
    "control_plane_tools": _CONTROL_PLANE,
    "load_generator": (("vegeta", "vegeta"),),
}


def pytest_collection_finish(session: pytest.Session) -> None:
    """Build what the collected tests need, in sight and without a test's time limit."""
    if session.config.option.collectonly:
        return
    used = {name for item in session.items for name in getattr(item, "fixturenames", ())}
    wanted = [tool for fixture, tools in _TOOLS.items() if fixture in used for tool in tools]
    if wanted:
        from carthub_dev import toolchain  # noqa: PLC0415 - collection stays light

        capture = session.config.pluginmanager.getplugin("capturemanager")
        with capture.global_and_fixture_disabled() if capture else contextlib.nullcontext():
            for tools, binary in wanted:
                toolchain.tool_set(tools).binary(binary)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    for what, seconds in config.stash.get(start_times, {}).items():
        terminalreporter.write_line(f"{what} up in {seconds:.1f} s")
