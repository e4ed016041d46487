"""What every test may ask for, and how long the shared parts took to start."""

import contextlib
from pathlib import Path
from typing import Any

import pytest

from tests.support.fixtures import (
    aws_server,
    chart_tools,
    container_runtime_tools,
    control_plane,
    control_plane_tools,
    database_server,
    gitops_judges,
    ledger,
    played_nodes_tools,
    start_times,
)

__all__ = [
    "aws_server",
    "chart_tools",
    "container_runtime_tools",
    "control_plane",
    "control_plane_tools",
    "database_server",
    "gitops_judges",
    "ledger",
    "played_nodes_tools",
]

_CONTROL_PLANE = (("etcd", "etcd"), ("kubernetes", "kube-apiserver"))
# Fixture -> the binaries it runs.
_TOOLS = {
    "chart_tools": (("helm", "helm"), ("kubeconform", "kubeconform")),
    "container_runtime_tools": (("containerd", "ctr"),),
    "control_plane": _CONTROL_PLANE,
    "control_plane_tools": _CONTROL_PLANE,
    "gitops_judges": (("kstatus", "kstatus"), ("argocd", "argocd")),
    "played_nodes_tools": (*_CONTROL_PLANE, ("kubernetes", "kube-scheduler"), ("kwok", "kwok")),
}
_ROOT = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep together what shares something: a module, and all that runs on the one platform."""
    for item in items:
        path = item.path.relative_to(_ROOT)
        shared = "e2e" if path.parts[0] == "e2e" else str(path)
        item.add_marker(pytest.mark.xdist_group(shared))


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


def pytest_sessionfinish(session: pytest.Session) -> None:
    # Of a process among several: what it tells the one that prints the summary.
    if (told := getattr(session.config, "workeroutput", None)) is not None:
        told["start_times"] = session.config.stash.get(start_times, {})


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    started = getattr(node, "workeroutput", {}).get("start_times", {})
    node.config.stash.setdefault(start_times, {}).update(started)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    for what, seconds in config.stash.get(start_times, {}).items():
        terminalreporter.write_line(f"{what} up in {seconds:.1f} s")
