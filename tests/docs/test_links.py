"""The documentation points at what exists."""

import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
_LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)(#[^)]*)?\)")
_TEST = re.compile(r"`(tests/[\w/.]+)`")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_and_cited_test_exists(page: pathlib.Path) -> None:
    text = page.read_text()
    targets = [page.parent / link for link, _ in _LINK.findall(text)]
    targets += [ROOT / cited for cited in _TEST.findall(text)]

    assert [str(target) for target in targets if not target.exists()] == []
