"""Which commit a checkout is at, and whether it may become a release."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from carthub_dev import changelog
from carthub_dev.errors import NotReleasable

_SHOWN = 5


@dataclass(frozen=True)
class Revision:
    """A commit, with its time in seconds since 1970, and what is not committed on top of it."""

    commit: str
    epoch: int
    uncommitted: tuple[str, ...]

    def __str__(self) -> str:
        return self.commit + (" and uncommitted changes" if self.uncommitted else "")


def read(root: Path) -> Revision:
    """Return where a checkout is; raises NotReleasable where there is no commit."""
    commit, _, seconds = _git(root, "log", "-1", "--format=%H %ct").strip().partition(" ")
    changed = _git(root, "status", "--porcelain").splitlines()
    return Revision(commit, int(seconds), tuple(changed))


def check(root: Path, revision: Revision, version: str) -> None:
    """Raise NotReleasable with what is in the way, and what to do about it."""
    if revision.uncommitted:
        more = len(revision.uncommitted) - _SHOWN
        shown = "".join(f"\n  {line}" for line in revision.uncommitted[:_SHOWN])
        shown += f"\n  and {more} more" if more > 0 else ""
        raise NotReleasable(f"{len(revision.uncommitted)} files are not committed:{shown}")
    if notes(root, version) is None:
        raise NotReleasable(
            f'CHANGELOG.md has nothing below a heading "## {version}": '
            f'rename "## {changelog.UNRELEASED}", or change version.py'
        )
    tag = f"v{version}"
    tagged = _git(root, "tag", "--list", tag, "--format=%(objectname)%(*objectname)").strip()
    if tagged and not tagged.endswith(revision.commit):
        raise NotReleasable(f"{tag} is the tag of another commit: raise the version in version.py")


def notes(root: Path, version: str) -> str | None:
    """Return what the changelog says of a version, None where it says nothing."""
    return changelog.section((root / "CHANGELOG.md").read_text("utf-8"), version)


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise NotReleasable(f"git {arguments[0]} in {root}: {done.stderr.strip()}")
    return done.stdout
