"""Helm for each module, with a folder of its own."""

from pathlib import Path

import pytest

from carthub_dev.helm import Helm


@pytest.fixture(scope="session")
def helm(
    chart_tools: None,  # noqa: ARG001 - built before any test
    tmp_path_factory: pytest.TempPathFactory,
) -> Helm:
    """Helm without a cluster: it renders."""
    return Helm(tmp_path_factory.mktemp("helm"))


@pytest.fixture
def helm_home(tmp_path: Path) -> Path:
    """A folder for the files of a Helm with a cluster."""
    return tmp_path / "helm"
