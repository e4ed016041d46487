"""The documentation as a site: complete, whole, and without a word to any other host."""

import functools
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
import yaml

from carthub_dev import paths
from tests.support import http_server
from tests.support.browser import Page
from tests.support.markdown import DOCS

pytestmark = pytest.mark.timeout(300)

_CONFIG = paths.REPOSITORY / "mkdocs.yml"
# What a browser fetches by itself; a link that the reader follows is not among it.
_FETCHED = {
    ("audio", "src"), ("embed", "src"), ("iframe", "src"), ("image", "href"), ("img", "src"),
    ("img", "srcset"), ("link", "href"), ("object", "data"), ("script", "src"),
    ("source", "src"), ("use", "href"), ("video", "src"),
}  # fmt: skip
_URL = re.compile(r"""(?:url\(|@import)\s*["']?([^"')\s]+)""")


class _Document(HTMLParser):
    """What a page fetches, links to, and can be linked to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.classes: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if (tag, name) in _FETCHED:
                self.fetched.append(value or "")
            elif (tag, name) == ("a", "href"):
                self.links.append(value or "")
            elif name in {"id", "name"}:
                self.anchors.add(value or "")
            elif name == "class":
                self.classes.update((value or "").split())


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site as `make docs` builds it: a warning is an error there."""
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=paths.REPOSITORY,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def documents(site: Path) -> dict[Path, _Document]:
    """Every page of the site by its file."""
    return {page: _Document(page.read_text()) for page in site.rglob("*.html")}


def _spelled(entries: list[Any]) -> Iterator[str]:
    """Yield the pages of a navigation, in order."""
    for entry in entries:
        for target in entry.values() if isinstance(entry, dict) else [entry]:
            if isinstance(target, str):
                yield target
            else:
                yield from _spelled(target)


def test_every_page_is_in_the_navigation_once() -> None:
    spelled = list(_spelled(yaml.safe_load(_CONFIG.read_text())["nav"]))
    pages = {str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md")}

    assert sorted(spelled) == sorted({*pages, "changelog.md", "contributing.md"})


def test_every_picture_and_file_is_shown_by_a_page() -> None:
    text = "".join(page.read_text() for page in DOCS.rglob("*.md")) + _CONFIG.read_text()
    files = [file for file in DOCS.rglob("*") if file.is_file() and file.suffix != ".md"]

    assert [file.name for file in files if file.name not in text] == []


@pytest.mark.parametrize("folder", ["decisions", "runbook"])
def test_every_page_of_a_folder_is_in_its_list(folder: str) -> None:
    listed = re.findall(r"\]\((\w[^)]*\.md)\)", (DOCS / folder / "README.md").read_text())

    assert sorted(["README.md", *listed]) == sorted(
        page.name for page in (DOCS / folder).glob("*.md")
    )


def test_nothing_is_fetched_from_another_host(site: Path, documents: dict[Path, _Document]) -> None:
    fetched = {(page, one) for page, found in documents.items() for one in found.fetched}
    for sheet in site.rglob("*.css"):
        fetched |= {(sheet, one) for one in _URL.findall(sheet.read_text())}

    assert len(fetched) > 300
    assert [
        (str(page.relative_to(site)), one)
        for page, one in sorted(fetched)
        if urlsplit(one).netloc or urlsplit(one).scheme not in {"", "data"}
    ] == []
    # The theme's script would load the program for these from a public host.
    assert [str(page) for page, found in documents.items() if "mermaid" in found.classes] == []


def test_every_link_of_the_site_leads_somewhere(
    site: Path, documents: dict[Path, _Document]
) -> None:
    broken = []
    for page, found in documents.items():
        # Links of the page for what is not found begin at the site's root.
        if page == site / "404.html":
            continue
        for link in found.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            target = target / "index.html" if target.is_dir() else target
            there = documents.get(target)
            if not target.exists() or (
                parts.fragment and there and unquote(parts.fragment) not in there.anchors
            ):
                broken.append((str(page.relative_to(site)), link))

    assert broken == []


class _Files(http_server.Handler, SimpleHTTPRequestHandler):
    pass


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_browser_shows_the_pages_and_searches_them_offline(
    browser: Page, site: Path, tmp_path: Path, scheme: str
) -> None:
    feature = {"name": "prefers-color-scheme", "value": scheme}
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
    with http_server.served(functools.partial(_Files, directory=str(site))) as port:
        for path in ("/", "/concepts/", "/reference-resource/", "/reference-api/", "/network/"):
            browser.open(port, path)
            browser.visible("h1")
            browser.screenshot(tmp_path, f"{path.strip('/') or 'start'}-{scheme}")
            assert browser.foreign(port) == set()
        browser.open(port, "/")
        # Pictures are there, and no wider than the text.
        sizes = browser.driver.execute_script(
            "return [...document.querySelectorAll('article img')].map("
            "it => [it.naturalWidth, it.width, it.parentElement.clientWidth])"
        )
        assert sizes
        assert all(natural and shown <= room for natural, shown, room in sizes)
        shown_scheme = browser.driver.execute_script(
            "return getComputedStyle(document.querySelector('article img')).colorScheme"
        )
        assert shown_scheme == scheme
        browser.visible(".md-search__input").send_keys("rotate")
        assert "Rotate a password" in browser.visible(".md-search-result__item").text
        assert browser.foreign(port) == set()
        assert browser.complaints() == []
