"""Which checkouts may become a release."""

import subprocess
from pathlib import Path

import pytest

from carthub_dev import revision
from carthub_dev.errors import NotReleasable

EPOCH = 1_790_000_000
VERSION = "1.2.3"


def git(root: Path, *arguments: str) -> str:
    who = ["-c", "user.name=Test", "-c", "user.email=test@example.com"]
    settings = {
        "GIT_AUTHOR_DATE": f"{EPOCH} +0200",
        "GIT_COMMITTER_DATE": f"{EPOCH} +0200",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "PATH": "/usr/bin:/bin",
    }
    done = subprocess.run(
        ["git", "-C", str(root), *who, *arguments],
        env=settings,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def committed(root: Path, changelog: str) -> None:
    (root / "CHANGELOG.md").write_text(changelog)
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "A change")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    git(tmp_path, "init", "--quiet")
    committed(tmp_path, f"# Changelog\n\n## {VERSION}\n\n- New.\n")
    return tmp_path


def refusal(root: Path) -> str:
    with pytest.raises(NotReleasable) as raised:
        revision.check(root, revision.read(root), VERSION)
    return str(raised.value)


def test_what_is_committed_with_words_for_its_version_may(checkout: Path) -> None:
    found = revision.read(checkout)

    revision.check(checkout, found, VERSION)

    assert found == revision.Revision(git(checkout, "rev-parse", "HEAD"), EPOCH, ())
    assert revision.notes(checkout, VERSION) == "- New."


@pytest.mark.parametrize("name", ["CHANGELOG.md", "new.txt"])
def test_what_is_not_committed_may_not(checkout: Path, name: str) -> None:
    (checkout / name).write_text(f"## {VERSION}\n\n- Newer.\n")

    said = refusal(checkout)

    assert said.startswith("1 files are not committed:")
    assert name in said
    assert str(revision.read(checkout)).endswith(" and uncommitted changes")


def test_of_many_files_some_are_named(checkout: Path) -> None:
    for number in range(8):
        (checkout / f"{number}.txt").touch()

    assert refusal(checkout).endswith("?? 4.txt\n  and 3 more")


@pytest.mark.parametrize("text", ["", "## Unreleased\n\n- New.\n", f"## {VERSION}\n\n## 1.2.2\n"])
def test_a_version_without_words_may_not(checkout: Path, text: str) -> None:
    committed(checkout, f"# Changelog\n\nAbout it.\n\n{text}")

    said = refusal(checkout)

    assert f'nothing below a heading "## {VERSION}"' in said
    assert 'rename "## Unreleased"' in said


@pytest.mark.parametrize("options", [(), ("--annotate", "--message=It")])
def test_a_version_that_is_another_commits_may_not(
    checkout: Path, options: tuple[str, ...]
) -> None:
    git(checkout, "tag", *options, f"v{VERSION}")
    revision.check(checkout, revision.read(checkout), VERSION)
    committed(checkout, f"## {VERSION}\n\n- Newer.\n")

    assert refusal(checkout) == (
        f"v{VERSION} is the tag of another commit: raise the version in version.py"
    )


def test_a_folder_without_commits_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotReleasable, match="git log in"):
        revision.read(tmp_path)
