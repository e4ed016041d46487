"""Finished images into a registry that skopeo is logged in to, such as Amazon ECR.

ECR with tags that cannot be moved refuses a tag a second time, even for the same image. What is
there already is left alone, so that a pipeline can run again.
"""

import os
import subprocess
from collections.abc import Callable, Iterable

from carthub_dev import packages, programs
from carthub_dev.errors import BuildFailed
from carthub_dev.image_archives import BuiltImage
from carthub_dev.ledger import Ledger

# As registries say it: of a tag that is not there, and of a repository without any.
_ABSENT = ("manifest unknown", "name unknown")


def publish(
    images: Iterable[BuiltImage],
    repository: str,
    *,
    ledger: Ledger,
    say: Callable[[str], None] = print,
) -> list[str]:
    """Push what is not there yet below `repository`, and return the names of what was pushed.

    Raises BuildFailed with the words of the registry.
    """
    packages.ensure(packages.PUSH, "to push images", ledger=ledger, say=say)
    pushed = []
    for image in images:
        name = f"{repository}/{image.reference}"
        if _is_there(name):
            say(f"{name} is there already")
            continue
        done = _skopeo("copy", "--quiet", f"docker-archive:{image.archive}", f"docker://{name}")
        if done.returncode:
            raise BuildFailed(f"{name} is not pushed: {done.stderr.strip()}")
        say(f"Pushed {name}")
        pushed.append(name)
    return pushed


def _is_there(name: str) -> bool:
    done = _skopeo("inspect", "--raw", f"docker://{name}")
    if done.returncode and not any(words in done.stderr for words in _ABSENT):
        raise BuildFailed(f"{name} cannot be looked for: {done.stderr.strip()}")
    return done.returncode == 0


def _skopeo(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [programs.program("skopeo"), *arguments],
        env={**os.environ, "PATH": programs.search_path()},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
