"""What mkdocs calls while it builds the site: `hooks` in mkdocs.yml names this file."""

from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from carthub_docs import links

# Pages that no link of `docs/` need name.
_ALSO = ("CHANGELOG.md", "CONTRIBUTING.md")


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add what the pages link to outside `docs/`."""
    root = _root(config)
    waiting = [f"docs/{file.src_uri}" for file in files.documentation_pages()]
    known = {*waiting, *(f"docs/{file.src_uri}" for file in files)}
    waiting += _ALSO
    while waiting:
        path = waiting.pop()
        if path not in known:
            known.add(path)
            files.append(
                File.generated(config, links.site_path(path), abs_src_path=str(root / path))
            )
        if path.endswith(".md"):
            found = links.targets(path, (root / path).read_text())
            waiting += [one for one in found if one not in known and (root / one).is_file()]
    return files


def on_page_markdown(markdown: str, *, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Return the page with links that lead to where the files are on the site."""
    del files
    root = _root(config)
    source = page.file.abs_src_path
    path = Path(source or "").relative_to(root).as_posix()
    return links.for_site(path, markdown, lambda target: (root / target).is_file())


def _root(config: MkDocsConfig) -> Path:
    return Path(config.config_file_path).parent
