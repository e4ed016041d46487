"""What the locks of the images pin."""

import re
from pathlib import Path

from packaging.requirements import Requirement

_LOCKS = Path(__file__).parents[2] / "requirements"
# What a machine with the interpreter and the processor of the images installs.
_MARKERS = {"python_version": "3.11", "python_full_version": "3.11.2", "extra": ""}


def locked(image: str) -> dict[str, str]:
    """Return what an image's lock names for its platform: distribution -> version."""
    text = (_LOCKS / f"{image.removeprefix('carthub-')}.lock").read_text()
    entries = [line.rstrip(" \\") for line in text.splitlines() if re.match(r"[a-z0-9]", line)]
    found = {}
    for requirement in map(Requirement, entries):
        if requirement.marker is None or requirement.marker.evaluate(_MARKERS):
            (specifier,) = requirement.specifier
            found[requirement.name] = specifier.version
    return found
