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
        env={**os.environ, "INSTANCE": _INSTANCE},
        timeout_seconds=800,
    )

    print(shown)  # noqa: T201 - what a reader sees
    assert [f"{number}/7" for number in range(1, 8)] == re.findall(r"^\d/7", shown, re.MULTILINE)
    # In the order of the page.
    told = (
        '"total":"19.00"',
        "mine.yaml: mine is valid",
        "minReplicas is above maxReplicas",
        "refused, as it should be",
        "mine stalls (ImagePullFailed)",
        "told, as it should be",
        "login carthub_green",
        f"Instance {_INSTANCE} is removed",
    )
    places = [shown.find(one) for one in told]
    assert -1 not in places, told[places.index(-1)]
    assert places == sorted(places)
    assert session.parts(_INSTANCE) == []
