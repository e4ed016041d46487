"""What goes into an image: a change of it is built, a change of anything else is not."""

import ast
import os
import re
import subprocess
from pathlib import Path

import pytest

from carthub_dev import image_inputs, images
from carthub_dev.paths import REPOSITORY
from tests.support.built_images import OPERATOR, SERVICE, SOURCES


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what goes into the images."""
    listed = ["Dockerfile.operator", "Dockerfile.service", ".dockerignore", "pyproject.toml"]
    listed += ["README.md", "LICENSE", "crds", "requirements", "operator", "service"]
    subprocess.run(["cp", "-r", *listed, tmp_path], cwd=REPOSITORY, check=True)
    return tmp_path


def key(checkout: Path, name: str = SERVICE, base: str = "base") -> str:
    return image_inputs.content_key(name, base=base, root=checkout)


@pytest.mark.parametrize(
    "changed",
    [
        "service/app/new.sql",
        "operator/carthub_operator/version.py",
        "requirements/service.lock",
        "requirements/build.lock",
        "Dockerfile.service",
        "pyproject.toml",
    ],
)
def test_a_change_of_what_goes_in_is_built(checkout: Path, changed: str) -> None:
    before = key(checkout)
    with (checkout / changed).open("a") as file:
        file.write("# changed\n")
    assert key(checkout) != before


def test_an_edit_of_one_program_builds_one_image(checkout: Path) -> None:
    before = {name: key(checkout, name) for name in images.NAMES}
    for name, source in SOURCES.items():
        (checkout / source / "new.py").touch()
        assert {n for n in images.NAMES if key(checkout, n) != before[n]} == {name}
        (checkout / source / "new.py").unlink()


@pytest.mark.parametrize(
    "changed",
    [
        "service/app/__pycache__/new.pyc",
        "service/requirements.txt",
        "requirements/operator.lock",
        "Dockerfile.operator",
        "tests/new.py",
    ],
)
def test_a_change_of_anything_else_is_not(checkout: Path, changed: str) -> None:
    before = key(checkout)
    (checkout / changed).parent.mkdir(exist_ok=True)
    with (checkout / changed).open("a") as file:
        file.write("# changed\n")
    assert key(checkout) == before


def test_another_base_or_date_is_another_image(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = {key(checkout), key(checkout, base="another"), key(checkout, OPERATOR)}
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1")
    assert len(keys | {key(checkout)}) == 4


def test_the_machines_pip_settings_reach_the_build_and_paths_of_it_do_not(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings = tmp_path / "pip.conf"
    settings.write_text("[global]\ntimeout = 1\nindex-url = https://a.test\ncert = /here\n")
    for variable in [variable for variable in os.environ if variable.startswith("PIP_")]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("PIP_CONFIG_FILE", str(settings))
    monkeypatch.setenv("PIP_INDEX_URL", "https://user:secret@b.test/simple")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "https://c.test https://d.test")
    monkeypatch.setenv("PIP_FIND_LINKS", "/wheels")
    written = image_inputs.pip_configuration("/run/secrets/ca.pem").splitlines()
    assert written[:2] == ["[global]", "cert = /run/secrets/ca.pem"]
    assert sorted(written[2:]) == [
        "    https://d.test",
        "extra-index-url = https://c.test",
        "index-url = https://user:secret@b.test/simple",
        "timeout = 1",
    ]


def test_the_build_tool_is_pinned_once() -> None:
    text = (REPOSITORY / "pyproject.toml").read_text()
    (required,) = re.findall(r"^requires = (\[.*\])$", text, re.MULTILINE)
    (grouped,) = re.findall(r"^build = (\[.*\])$", text, re.MULTILINE)
    assert required == grouped
    (pinned,) = ast.literal_eval(required)
    assert f"\n{pinned} \\\n" in "\n" + (REPOSITORY / "requirements/build.lock").read_text()
