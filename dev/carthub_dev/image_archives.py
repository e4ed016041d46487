"""Finished images in archives, each kept by what went into it.

Checkouts, and branches of one, do not undo each other's; who still reads an archive keeps it.
"""

import json
import os
import shutil
import tarfile
import zlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

_KEPT = 3
_KEPT_OF_ALL_TAGS = 8
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class BuiltImage:
    """An image in an archive; `key` names what went into it, `id` what came out."""

    name: str
    tag: str
    archive: Path
    key: str
    id: str
    size_bytes: int

    @property
    def reference(self) -> str:
        """What a pod template names."""
        return f"{self.name}:{self.tag}"


def find(folder: Path, name: str, tag: str, key: str) -> BuiltImage | None:
    """Return a kept image, None where there is none."""
    archive = folder / f"{name}-{tag}-{key}.tar"
    try:
        record = json.loads(_record(archive).read_bytes())
        os.utime(archive)
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    return BuiltImage(**{**record, "archive": archive})


def keep(folder: Path, unfinished: Path, *, name: str, tag: str, key: str, id: str) -> BuiltImage:  # noqa: A002 - the image's id
    """Move a finished archive to where `find` finds it, and drop those not used for longest."""
    archive = folder / f"{name}-{tag}-{key}.tar"
    _record(archive).unlink(missing_ok=True)
    shutil.move(unfinished, archive)
    built = BuiltImage(
        name=name, tag=tag, archive=archive, key=key, id=id, size_bytes=archive.stat().st_size
    )
    # Last, so that a record means a whole archive.
    _record(archive).write_text(json.dumps(asdict(built), default=str, indent=1) + "\n")
    drop_old(folder, f"{name}-{tag}-*.tar", kept=_KEPT)
    # Each commit is a tag of its own.
    drop_old(folder, f"{name}-*.tar", kept=_KEPT_OF_ALL_TAGS)
    return built


def drop_old(folder: Path, pattern: str, *, kept: int) -> None:
    """Remove all but the most recently used of what matches, with its records."""
    found = sorted(folder.glob(pattern), key=lambda path: path.stat().st_mtime)
    for old in found[:-kept]:
        _record(old).unlink(missing_ok=True)
        if old.is_dir():
            shutil.rmtree(old)
        else:
            old.unlink()


def pack(layout: Path, archive: Path, *, epoch: int) -> None:
    """Pack an OCI layout; the same layout gives the same bytes."""
    with tarfile.open(archive, "w", format=tarfile.USTAR_FORMAT) as packed:
        for path in sorted(layout.rglob("*")):
            entry = tarfile.TarInfo(str(path.relative_to(layout)))
            entry.mtime = epoch
            if path.is_dir():
                entry.type, entry.mode = tarfile.DIRTYPE, 0o755
                packed.addfile(entry)
            else:
                entry.size, entry.mode = path.stat().st_size, 0o644
                with path.open("rb") as content:
                    packed.addfile(entry, content)


def compressed_sizes(images: Iterable[BuiltImage]) -> dict[str, int]:
    """Return the bytes of each image in a registry: its layers through gzip, seconds of work."""
    sizes: dict[str, int] = {}
    layers_of: dict[str, list[str]] = {}
    for image in images:
        with tarfile.open(image.archive) as archive:
            manifest = archive.extractfile("manifest.json")
            layers_of[image.name] = json.load(manifest)[0]["Layers"] if manifest else []
            for layer in layers_of[image.name]:
                # Named by their digests, so a shared one is the same one.
                if layer not in sizes:
                    sizes[layer] = _gzipped_bytes(archive, layer)
    return {name: sum(sizes[layer] for layer in layers) for name, layers in layers_of.items()}


def _record(archive: Path) -> Path:
    return archive.with_suffix(".json")


def _gzipped_bytes(archive: tarfile.TarFile, layer: str) -> int:
    content = archive.extractfile(layer)
    if content is None:
        return 0
    packer = zlib.compressobj(level=6, wbits=31)
    size = 0
    while chunk := content.read(_CHUNK_BYTES):
        size += len(packer.compress(chunk))
    return size + len(packer.flush())
