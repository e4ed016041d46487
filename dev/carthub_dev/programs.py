"""The programs of this machine, found also where PATH lacks the system folders.

`su` and some shells leave root without them, and Debian keeps iptables and runc there.
"""

import os
import shutil
from pathlib import Path

from carthub_dev.errors import ToolMissing

_SYSTEM_FOLDERS = ("/usr/local/sbin", "/usr/sbin", "/sbin")


def search_path() -> str:
    """Return PATH with the system folders at its end."""
    return os.pathsep.join((os.environ.get("PATH", os.defpath), *_SYSTEM_FOLDERS))


def find(name: str) -> Path | None:
    """Return where a program is, None where there is none."""
    found = shutil.which(name, path=search_path())
    return Path(found) if found else None


def program(name: str) -> str:
    """Return the path of a program that must be there."""
    found = find(name)
    if found is None:
        raise ToolMissing(f"{name} is not installed")
    return str(found)
