"""The chart as a release has it."""

import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
import yaml

from carthub_dev import chart_package, toolchain
from carthub_dev.image_inputs import version
from carthub_dev.paths import REPOSITORY

EPOCH = 1_790_000_000
CHART = REPOSITORY / chart_package.CHART


@pytest.fixture(scope="module")
def package(
    chart_tools: None,  # noqa: ARG001 - built before any test
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    return chart_package.build(
        tmp_path_factory.mktemp("dist"),
        version=version(),
        epoch=EPOCH,
        home=tmp_path_factory.mktemp("helm"),
    )


def test_it_has_the_projects_version_and_the_time(package: Path) -> None:
    with tarfile.open(package) as packed:
        opened = packed.extractfile("carthub-operator/Chart.yaml")
        assert opened is not None
        told = yaml.safe_load(opened)
        times = {int(member.mtime) for member in packed}

    assert package.name == f"carthub-operator-{version()}.tgz"
    assert (told["version"], told["appVersion"]) == (version(), version())
    assert times == {EPOCH}


def test_it_has_what_the_checkout_has(package: Path) -> None:
    listed = {
        f"carthub-operator/{file.relative_to(CHART)}"
        for file in CHART.rglob("*")
        if file.is_file() and file.name != ".helmignore"
    }
    with tarfile.open(package) as packed:
        assert {*packed.getnames()} - {"carthub-operator/.helmignore"} == listed


def test_two_packages_have_the_same_bytes(package: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(CHART, elsewhere / chart_package.CHART)
    for file in elsewhere.rglob("*"):
        # As another checkout has them: of another time, and with another umask.
        os.utime(file, (1, 1))
        file.chmod(0o700 if file.is_dir() else 0o600)

    again = chart_package.build(
        tmp_path, version=version(), epoch=EPOCH, home=tmp_path / "helm", root=elsewhere
    )

    assert again.read_bytes() == package.read_bytes()


def test_the_chart_is_of_the_version_of_the_rest() -> None:
    told = yaml.safe_load((CHART / "Chart.yaml").read_text())

    assert (told["version"], told["appVersion"]) == (version(), version())


def test_helm_takes_it_for_a_chart(package: Path, tmp_path: Path) -> None:
    helm = toolchain.tool_set("helm").binary("helm")
    homes = {f"HELM_{kind}_HOME": str(tmp_path) for kind in ("CACHE", "CONFIG", "DATA")}

    shown = subprocess.run(
        [helm, "show", "chart", package], env=homes, capture_output=True, text=True, check=True
    )

    assert yaml.safe_load(shown.stdout)["name"] == "carthub-operator"
