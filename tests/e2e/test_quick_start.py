"""The quick start from its first command to its last, in order, as a new user types it."""

import os
import re
import shutil
from collections.abc import Iterator

import pytest

from carthub_dev import paths, session
from tests.support.markdown import shell_blocks
from tests.support.shell import run_blocks

_PAGE = "quick-start.md"
_INSTANCE = f"tests-quick-{os.getpid()}"


@pytest.fixture
def _nothing_left() -> Iterator[None]:
    yield
    session.end(_INSTANCE)
    (paths.REPOSITORY / "mine.yaml").unlink(missing_ok=True)
    (paths.cache_dir() / "logs" / f"{_INSTANCE}-up.log").unlink(missing_ok=True)


@pytest.mark.skipif(not shutil.which("curl"), reason="the quick start needs curl")
@pytest.mark.usefixtures("_nothing_left")
@pytest.mark.timeout(900)
def test_the_quick_start_works_as_it_is_written() -> None:
    blocks = shell_blocks(_PAGE)
    shown = run_blocks(
        blocks,
        cwd=paths.REPOSITORY,
        # A reader's make has no make above it.
        env={
            **{name: value for name, value in os.environ.items() if "MAKE" not in name},
            "INSTANCE": _INSTANCE,
        },
        timeout_seconds=800,
    )

    print(shown)  # noqa: T201 - what a reader sees
    assert [f"{number}/7" for number in range(1, 8)] == re.findall(r"^\d/7", shown, re.MULTILINE)
    # In the order of the page; a line of its own, not the command that prints it.
    place = 0
    for told in (
        r'"total" : "19.00"',
        r"^mine.yaml: mine is valid$",
        r"minReplicas is above maxReplicas",
        r"^refused, as it should be$",
        r"^mine stalls \(ImagePullFailed\)",
        r"^told, as it should be$",
        r"login carthub_green",
        rf"^Instance {_INSTANCE} is removed",
    ):
        found = re.compile(told, re.MULTILINE).search(shown, place)
        assert found, told
        place = found.end()
    assert session.parts(_INSTANCE) == []
