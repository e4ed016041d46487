"""What a documentation page says to people, so that tests run and compare it."""

import pathlib
import re
from typing import Any

import yaml

DOCS = pathlib.Path(__file__).resolve().parents[2] / "docs"
# A block in `bash` is run by a test as it stands; one in `console`, with prompts, is only shown.
_BLOCK = re.compile(r"^```bash\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SHOWN = re.compile(r"^```(?:console|sh|shell|zsh)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_YAML = re.compile(r"^```yaml\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_OWN = re.compile(
    r"^```yaml\n# deploy/mine/kustomization.yaml\n(.*?)^```$", re.MULTILINE | re.DOTALL
)


def shell_blocks(page: str) -> list[str]:
    """Return the bash blocks of `docs/<page>`, in order."""
    return _BLOCK.findall((DOCS / page).read_text())


def shown_blocks(page: str) -> list[str]:
    """Return the blocks of `docs/<page>` that show commands which no test runs."""
    return _SHOWN.findall((DOCS / page).read_text())


def own_kustomization(page: str) -> str:
    """Return the kustomization that `docs/<page>` has a reader write into deploy/mine."""
    (found,) = _OWN.findall((DOCS / page).read_text())
    return str(found)


def yaml_blocks(page: str) -> list[Any]:
    """Return what the YAML blocks of `docs/<page>` say, in order."""
    return [yaml.safe_load(block) for block in _YAML.findall((DOCS / page).read_text())]


def commands(block: str) -> list[str]:
    """Return the commands of one block: lines, joined while a double quote is open."""
    found: list[str] = []
    pending = ""
    for line in block.splitlines():
        if not pending and (not line.strip() or line.startswith("#")):
            continue
        pending = f"{pending}\n{line}" if pending else line
        if pending.count('"') % 2 == 0:
            found.append(pending)
            pending = ""
    return found


def table(page: str, heading: str) -> list[list[str]]:
    """Return the cells of the first table below a heading of `docs/<page>`, row by row."""
    below = (DOCS / page).read_text().partition(f"\n{heading}\n")[2]
    rows = re.findall(r"^\|(.*)\|$", below.partition("\n#")[0], re.MULTILINE)
    # Without the names of the columns and the rule below them.
    return [[cell.strip() for cell in row.split("|")] for row in rows[2:]]
