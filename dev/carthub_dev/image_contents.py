"""The files of an image, read out of its archive: no root, nothing unpacked."""

import json
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

# How a layer says that a file, or all that was in a folder, is gone.
_GONE = ".wh."
_EMPTIED = ".wh..wh..opq"


@dataclass(frozen=True)
class Contents:
    """Some files of an image by their paths without the first slash, and its configuration."""

    files: Mapping[str, bytes]
    configuration: Mapping[str, Any]


def read(archive: Path, *, wanted: Callable[[str], bool]) -> Contents:
    """Return the files with a wanted path as a container sees them, from a docker-archive."""
    files: dict[str, bytes] = {}
    with tarfile.open(archive) as outer:
        (manifest,) = json.loads(_content(outer, "manifest.json"))
        for layer in manifest["Layers"]:
            with tarfile.open(fileobj=outer.extractfile(layer)) as inner:
                _add(files, inner, wanted)
        configuration = json.loads(_content(outer, manifest["Config"]))
    return Contents(files, configuration)


def _add(files: dict[str, bytes], layer: tarfile.TarFile, wanted: Callable[[str], bool]) -> None:
    added: dict[str, bytes] = {}
    for member in layer:
        path = PurePosixPath("/", member.name).relative_to("/")
        if path.name == _EMPTIED:
            _drop(files, f"{path.parent}/")
        elif path.name.startswith(_GONE):
            gone = path.with_name(path.name.removeprefix(_GONE))
            files.pop(str(gone), None)
            _drop(files, f"{gone}/")
        elif member.isfile() and wanted(str(path)):
            added[str(path)] = _content(layer, member)
    # Last: what a layer says is gone was there before it.
    files |= added


def _drop(files: dict[str, bytes], folder: str) -> None:
    for path in [path for path in files if path.startswith(folder)]:
        del files[path]


def _content(archive: tarfile.TarFile, member: str | tarfile.TarInfo) -> bytes:
    opened = archive.extractfile(member)
    return opened.read() if opened else b""
