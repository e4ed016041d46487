"""What is pinned is what gets installed, however many releases later."""

import importlib.metadata
import re
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

_LOCKS = Path(__file__).parents[2] / "requirements"
_PIN = re.compile(r"^([\w.-]+)(?:\[([\w, -]+)\])?==", re.MULTILINE)


def _pins(lock: Path) -> dict[str, set[str]]:
    """Return the extras that each pinned package is locked with."""
    return {
        canonicalize_name(name): set(filter(None, re.split(r",\s*", extras)))
        for name, extras in _PIN.findall(lock.read_text())
    }


def _wanted(package: str, extras: set[str]) -> set[tuple[str, str]]:
    """Return what an installed package asks for with an extra: package, extra."""
    return {
        (canonicalize_name(requirement.name), extra)
        for requirement in map(Requirement, importlib.metadata.requires(package) or [])
        if requirement.marker is None
        or any(requirement.marker.evaluate({"extra": mine}) for mine in extras | {""})
        for extra in requirement.extras
    }


def test_what_is_wanted_with_an_extra_is_pinned_with_it() -> None:
    # pip resolves `name[extra]` apart from `name`: unpinned, the newest release is taken, and then
    # refused because it has no hash.
    installed = {canonicalize_name(found.name) for found in importlib.metadata.distributions()}
    wanted, missing = set(), set()
    for lock in _LOCKS.glob("*.lock"):
        pins = _pins(lock)
        asking = {"carthub": {lock.stem}} | {name: pins[name] for name in pins.keys() & installed}
        for package, extras in asking.items():
            for name, extra in _wanted(package, extras):
                wanted.add(name)
                if extra not in pins[name]:
                    missing.add((lock.name, f"{name}[{extra}]"))

    assert wanted >= {"pyjwt", "coverage", "moto"}
    assert missing == set()
