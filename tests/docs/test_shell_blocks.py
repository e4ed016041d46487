"""Every shell block that the documentation has a reader run is run by a test."""

from pathlib import Path

from tests.support.markdown import DOCS, shell_blocks, shown_blocks

_ROOT = DOCS.parent
# Page -> the tests that run its blocks; what needs an account is carried out on stand-ins.
_RUN_BY = {
    "api.md": ("service/test_api_guide.py",),
    "aws.md": ("aws/test_page_blocks.py", "aws/test_stacks.py"),
    "backup.md": ("docs/test_backup_guide.py",),
    "cli.md": ("e2e/test_documented_commands.py",),
    "gitops.md": ("e2e/test_pipeline.py", "operator/test_documented_installs.py"),
    "helm.md": ("charts/test_lifecycle.py", "e2e/test_install_pages.py"),
    "install-eks.md": ("e2e/test_install_pages.py",),
    "monitoring.md": ("operator/test_documented_installs.py",),
    "operator.md": ("operator/test_documented_installs.py",),
    "quick-start.md": ("e2e/test_quick_start.py",),
    "rotate-password.md": ("e2e/test_documented_commands.py",),
    "runbook": ("e2e/test_documented_commands.py",),
    "security.md": (
        "operator/test_documented_installs.py",
        "operator/test_operator_uninstall.py",
    ),
    "troubleshooting.md": ("e2e/test_troubleshooting.py",),
    "upgrading.md": ("e2e/test_install_pages.py",),
}


def _pages() -> list[str]:
    """Return all pages, as seen from docs/."""
    inside = [str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md")]
    return [*inside, *(f"../{page.name}" for page in _ROOT.glob("*.md"))]


def _group(page: str) -> str:
    return "runbook" if page.startswith("runbook/") else page


def test_every_marked_block_has_a_test_that_runs_it() -> None:
    marked = {page: len(shell_blocks(page)) for page in _pages() if shell_blocks(page)}
    shown = sum(len(shown_blocks(page)) for page in _pages())

    run = sum(marked.values())
    print(f"{run} of {run + shown} shell blocks are run by a test")  # noqa: T201 - a figure
    assert {_group(page) for page in marked} == _RUN_BY.keys()
    for page, tests in _RUN_BY.items():
        for test in tests:
            assert f'"{page}"' in (_ROOT / "tests" / test).read_text(), (page, test)


def test_a_block_has_prompts_where_it_is_only_shown() -> None:
    for page in _pages():
        for block in shown_blocks(page):
            assert block.startswith("$ "), (page, block)
        for block in shell_blocks(page):
            prompted = [line for line in block.splitlines() if line.startswith("$ ")]
            assert prompted == [], page


def test_no_page_hides_commands_from_this_count() -> None:
    known = ("bash", "console", "json", "sql", "text", "yaml", "")
    for page in _pages():
        fences = [
            line.removeprefix("```")
            for line in (DOCS / page).read_text().splitlines()
            if line.startswith("```")
        ]
        assert [fence for fence in fences if fence not in known] == [], page


def test_the_count_sees_every_page() -> None:
    assert len(_pages()) == len({Path(page) for page in _pages()}) > 40
