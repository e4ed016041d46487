"""What `make release` leaves behind; the images are in tests/dev/test_images.py."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from carthub_dev import cli, releasing
from carthub_dev.errors import NotPermitted, NotReleasable
from carthub_dev.image_inputs import version
from carthub_dev.ledger import Ledger
from carthub_dev.paths import REPOSITORY
from carthub_dev.releasing import Request

WHO = ("-c", "user.name=Test", "-c", "user.email=test@example.com")
SOURCES = ("pyproject.toml", "README.md", "LICENSE", ".gitignore", "crds", "charts", "requirements")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout that may become a release."""
    root = tmp_path_factory.mktemp("checkout")
    shutil.copytree(REPOSITORY / "operator", root / "operator")
    shutil.copytree(REPOSITORY / "service" / "app", root / "service" / "app")
    subprocess.run(["cp", "-r", *SOURCES, root], cwd=REPOSITORY, check=True)
    text = f"# Changelog\n\n## Unreleased\n\n- Later.\n\n## {version()}\n\n- Everything.\n"
    (root / "CHANGELOG.md").write_text(text)
    for arguments in (
        ["init", "--quiet"],
        ["add", "--all"],
        ["commit", "--quiet", "--message", "All"],
    ):
        subprocess.run(["git", "-C", root, *WHO, *arguments], check=True)
    return root


def names(folder: Path) -> set[str]:
    return {file.name for file in folder.iterdir()}


def test_a_release_is_all_its_files_and_their_sums(
    own_ledger: Ledger, checkout: Path, tmp_path: Path
) -> None:
    request = Request(tmp_path, checkout, has_images=False)

    made = releasing.build(own_ledger, request)

    assert [file.name for file in made] == [
        f"carthub-{version()}-cli.lock",
        f"carthub-{version()}-crds.yaml",
        f"carthub-{version()}-operator.lock",
        f"carthub-{version()}-py3-none-any.whl",
        f"carthub-{version()}-service.lock",
        f"carthub-{version()}.tar.gz",
        f"carthub-operator-{version()}.tgz",
        f"release-notes-{version()}.md",
        "SHA256SUMS",
    ]
    check = ["sha256sum", "--check", "--strict", "SHA256SUMS"]
    done = subprocess.run(check, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.count(": OK\n") == len(made) - 1
    notes = (tmp_path / f"release-notes-{version()}.md").read_text()
    assert notes.startswith(f"# Carthub {version()}\n\n- Everything.\n\n`sha256sum")


def test_two_releases_of_a_commit_are_equal(
    own_ledger: Ledger, checkout: Path, tmp_path: Path
) -> None:
    sums = []
    for name in ("one", "two"):
        request = Request(tmp_path / name, checkout, has_images=False)
        sums.append(releasing.build(own_ledger, request)[-1].read_text())

    assert sums[0] == sums[1]


def test_another_takes_the_place_of_the_last(
    own_ledger: Ledger, checkout: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "dist"
    folder.mkdir()
    (folder / "carthub-0.0.9.tar.gz").touch()
    (folder / "SHA256SUMS").write_text(f"{'0' * 64}  carthub-0.0.9.tar.gz\n")
    (folder / "mine").touch()
    request = Request(folder, checkout, has_images=False)

    made = releasing.build(own_ledger, request)
    assert names(folder) == {"mine", *(file.name for file in made)}

    assert releasing.build(own_ledger, request) == made


def test_a_checkout_that_may_not_leaves_what_was_there(
    own_ledger: Ledger, checkout: Path, tmp_path: Path
) -> None:
    root = shutil.copytree(checkout, tmp_path / "checkout")
    (root / "new.txt").touch()
    folder = tmp_path / "dist"

    with pytest.raises(NotReleasable, match=r"1 files are not committed:\n  \?\? new.txt"):
        releasing.build(own_ledger, Request(folder, root, has_images=False))
    assert not folder.exists()

    snapshot = Request(folder, root, is_snapshot=True, has_images=False)
    notes = releasing.build(own_ledger, snapshot)[-2].read_text()
    assert notes.startswith(f"# Carthub {version()}: a snapshot, not a release\n\nOf ")
    assert " and uncommitted changes.\n" in notes


def test_images_want_root(
    own_ledger: Ledger, checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    with pytest.raises(NotPermitted, match="leave the images out with --no-images"):
        releasing.build(own_ledger, Request(tmp_path, checkout))


def test_the_command_lists_what_it_has_made(own_state: Path, tmp_path: Path) -> None:
    arguments = ["release", "--snapshot", "--no-images", "--output", str(tmp_path / "dist")]

    done = CliRunner().invoke(cli.app, arguments)

    assert done.exit_code == 0, done.output
    assert f"{tmp_path}/dist/SHA256SUMS" in done.output
    assert not list(own_state.glob("release-*"))
