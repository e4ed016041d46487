"""The sections of CHANGELOG.md, a heading of the second level each."""

import re

UNRELEASED = "Unreleased"
_HEADING = re.compile(r"^## \[?v?(?P<name>[^\]\s]+)\]?.*$", re.MULTILINE)


def section(text: str, name: str) -> str | None:
    """Return what is below the heading of a version, None where there is no heading or nothing."""
    headings = [*_HEADING.finditer(text)]
    ends = [*(heading.start() for heading in headings[1:]), len(text)]
    for heading, end in zip(headings, ends, strict=False):
        if heading["name"] == name:
            return text[heading.end() : end].strip() or None
    return None
