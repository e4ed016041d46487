"""Links of the pages, written for a Git hosting, as the site needs them."""

import pytest

from carthub_docs import links

_FILES = {
    "CONTRIBUTING.md",
    "docs/operator.md",
    "docs/runbook/README.md",
    "docs/runbook/CartSlow.md",
    "examples/minimal.yaml",
}


@pytest.mark.parametrize(
    ("page", "written", "on_the_site"),
    [
        ("docs/README.md", "[a](operator.md#health)", "[a](operator.md#health)"),
        ("docs/runbook/CartSlow.md", "[a](../operator.md)", "[a](../operator.md)"),
        ("docs/README.md", "[a](../CONTRIBUTING.md#tests)", "[a](contributing.md#tests)"),
        ("CONTRIBUTING.md", "[a](docs/operator.md)", "[a](operator.md)"),
        ("docs/README.md", "[a](../examples/minimal.yaml)", "[a](files/examples/minimal.yaml)"),
        ("docs/runbook/CartSlow.md", "[a](../../CONTRIBUTING.md)", "[a](../contributing.md)"),
        # A folder with a page of its own, and one without.
        ("docs/README.md", "[a](runbook)", "[a](runbook/README.md)"),
        ("docs/README.md", "[a](../service/app)", "a"),
        # Not theirs to change.
        ("docs/README.md", "[a](https://example.com) [b](#here)", None),
        ("docs/README.md", "`[a](../service/app)`", None),
        ("docs/README.md", "```text\n[a](../service/app)\n```", None),
    ],
)
def test_a_link_leads_to_where_its_target_is_on_the_site(
    page: str, written: str, on_the_site: str | None
) -> None:
    expected = written if on_the_site is None else on_the_site

    assert links.for_site(page, written, _FILES.__contains__) == expected


def test_what_a_page_links_to_is_named_from_the_repository() -> None:
    text = "![p](pictures/a.svg) [a](../examples/minimal.yaml#x) [b](https://example.com)"

    assert list(links.targets("docs/README.md", text)) == [
        "docs/pictures/a.svg",
        "examples/minimal.yaml",
    ]
