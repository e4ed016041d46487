"""The real parts that tests share: each started once, when a first test asks for it.

A conftest makes them its own by importing them. Nothing heavy is imported before it is used.
"""

import contextlib
import os
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from carthub_dev.ledger import Ledger, clean_abandoned

if TYPE_CHECKING:
    from carthub_dev.aws import AwsServer
    from carthub_dev.control_plane import ControlPlane
    from carthub_dev.database import DatabaseServer

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

start_times = pytest.StashKey[dict[str, float]]()


@contextlib.contextmanager
def start_time_kept(config: pytest.Config, what: str) -> Iterator[None]:
    """Remember how long the body took, for the summary of the run."""
    started = time.monotonic()
    yield
    config.stash.setdefault(start_times, {})[what] = time.monotonic() - started


@pytest.fixture(scope="session")
def ledger() -> Iterator[Ledger]:
    """What this test run starts; what a killed one left is removed first."""
    clean_abandoned(prefix="tests-")
    with Ledger.open(f"tests-{os.getpid()}") as opened:
        yield opened


@pytest.fixture(scope="session")
def control_plane_tools() -> None:
    """For tests that start a control plane of their own: its binaries are built before any test."""


@pytest.fixture(scope="session")
def container_runtime_tools() -> None:
    """For tests that call containerd's own client: it is built before any test."""


@pytest.fixture(scope="session")
def chart_tools() -> None:
    """For tests that render or install the chart: helm and kubeconform are built before any."""


@pytest.fixture(scope="session")
def gitops_judges() -> None:
    """For tests that ask Argo CD and kstatus: they are built before any test."""


@pytest.fixture(scope="session")
def played_nodes_tools() -> None:
    """For tests that start a cluster of played nodes: its binaries are built before any test."""


@pytest.fixture(scope="session")
def control_plane(ledger: Ledger, pytestconfig: pytest.Config) -> "Iterator[ControlPlane]":
    """A control plane on loopback. Tests that stop or break it must start their own."""
    from carthub_dev.control_plane import ControlPlane  # noqa: PLC0415 - collection stays light

    started = ControlPlane(ledger)
    try:
        with start_time_kept(pytestconfig, "control plane"):
            started.start()
        yield started
    finally:
        started.close()


@pytest.fixture(scope="session")
def database_server(ledger: Ledger, pytestconfig: pytest.Config) -> "Iterator[DatabaseServer]":
    """A PostgreSQL on loopback; every test takes a `fresh_database` of it."""
    from carthub_dev.database import DatabaseServer  # noqa: PLC0415 - collection stays light

    started = DatabaseServer(ledger)
    try:
        with start_time_kept(pytestconfig, "PostgreSQL"):
            started.start()
        yield started
    finally:
        started.close()


@pytest.fixture(scope="session")
def aws_server(ledger: Ledger, pytestconfig: pytest.Config) -> "Iterator[AwsServer]":
    """AWS Secrets Manager on loopback; every test uses names of its own."""
    from carthub_dev.aws import AwsServer  # noqa: PLC0415 - collection stays light

    started = AwsServer(ledger)
    try:
        with start_time_kept(pytestconfig, "AWS (moto)"):
            started.start()
        yield started
    finally:
        started.close()
