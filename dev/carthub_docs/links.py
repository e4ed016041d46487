"""Where the documentation's links lead to on the site.

The pages are written for a Git hosting, where a link may leave `docs/`. The site has only what is
in `docs/`, so what a link names outside it comes along: a Markdown file as a page, another file as
it is. A folder has no page; its name stays, without the link.
"""

import posixpath
import re
from collections.abc import Callable, Iterator

_FOLDER = "docs"
_FILES = "files"
_LINK = re.compile(
    r"(?P<image>!?)\[(?P<text>[^\]]*)\]\((?P<target>(?!\w+:|#)[^)#\s]+)(?P<part>#[^)]*)?\)"
)
# What stands in a fenced block or between backticks is no link.
_CODE = re.compile(r"^```.*?^```$|`[^`\n]+`", re.MULTILINE | re.DOTALL)


def site_path(path: str) -> str:
    """Return where a file of the repository is among the site's sources."""
    if path.startswith(f"{_FOLDER}/"):
        return path.removeprefix(f"{_FOLDER}/")
    return path.lower() if path.endswith(".md") else f"{_FILES}/{path}"


def targets(page: str, text: str) -> Iterator[str]:
    """Yield the repository's paths that a page's links lead to; the page by its own path there."""
    for match in _links(text):
        yield _target(page, match)


def for_site(page: str, text: str, is_file: Callable[[str], bool]) -> str:
    """Return a page's text with the links as the site needs them."""
    here = posixpath.dirname(site_path(page))

    def link(match: re.Match[str]) -> str:
        target = _target(page, match)
        index = f"{target}/README.md"
        if not is_file(target):
            if not is_file(index):
                return match["text"]
            target = index
        there = posixpath.relpath(site_path(target), here or ".")
        return f"{match['image']}[{match['text']}]({there}{match['part'] or ''})"

    parts, end = [], 0
    for match in _links(text):
        parts += [text[end : match.start()], link(match)]
        end = match.end()
    return "".join([*parts, text[end:]])


def _links(text: str) -> Iterator[re.Match[str]]:
    code = [(match.start(), match.end()) for match in _CODE.finditer(text)]
    for match in _LINK.finditer(text):
        if not any(start <= match.start() < end for start, end in code):
            yield match


def _target(page: str, match: re.Match[str]) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(page), match["target"]))
