"""The shell blocks of a documentation page, so that tests run what people copy."""

import pathlib
import re

DOCS = pathlib.Path(__file__).resolve().parents[2] / "docs"
_BLOCK = re.compile(r"^```bash\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def shell_blocks(page: str) -> list[str]:
    """Return the bash blocks of `docs/<page>`, in order."""
    return _BLOCK.findall((DOCS / page).read_text())


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
