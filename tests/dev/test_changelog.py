import pytest

from carthub_dev import changelog
from carthub_dev.paths import REPOSITORY

TEXT = """# Changelog

Words before all.

## Unreleased

## [0.2.0] - 2026-03-01

- Two.
  Still two.

### Upgrade

- Do this.

## v0.1.0

- One.
"""


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("0.2.0", "- Two.\n  Still two.\n\n### Upgrade\n\n- Do this."),
        ("0.1.0", "- One."),
        (changelog.UNRELEASED, None),
        ("0.2", None),
        ("0.3.0", None),
    ],
)
def test_a_section_ends_where_the_next_version_begins(name: str, said: str | None) -> None:
    assert changelog.section(TEXT, name) == said


def test_the_projects_own_is_of_that_form() -> None:
    text = (REPOSITORY / "CHANGELOG.md").read_text()
    headings = [line for line in text.splitlines() if line.startswith("## ")]

    names = [line.removeprefix("## ").split()[0].strip("[]v") for line in headings]
    sections = [changelog.section(text, name) for name in names]

    assert sections
    # There may be nothing that is not released.
    assert all(sections[1:])
