"""The two images, built from the Dockerfiles that everybody else builds, for containerd.

Built again only when what goes into them has changed; the finished archives stay in the cache.
"""

import contextlib
import fcntl
import json
import os
import shutil
import tarfile
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from carthub_dev import base_image, buildah, image_inputs, packages, paths
from carthub_dev.ledger import Ledger

NAMES = ("carthub-operator", "carthub-service")

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


def build_images(
    ledger: Ledger,
    tag: str = "dev",
    *,
    python_image: str | None = None,
    revision: str | None = None,
    say: Callable[[str], None] = print,
) -> dict[str, BuiltImage]:
    """Return both images by name, built where their sources have changed.

    `python_image`, else the environment's PYTHON_IMAGE, is the base to pull; without either
    Debian's own Python stands in. The ledger remembers the scratch folder.
    """
    python_image = python_image or os.environ.get("PYTHON_IMAGE") or None
    base = python_image or f"localhost/carthub-base:{base_image.recipe_key()}"
    folder = paths.cache_dir() / "images"
    folder.mkdir(parents=True, exist_ok=True)
    images: dict[str, BuiltImage] = {}
    with _alone(folder, say):
        for name in NAMES:
            key = image_inputs.content_key(name, base=base, revision=revision)
            found = _cached(folder, name, tag, key)
            if found is None:
                packages.ensure(packages.IMAGES, "to build images", ledger=ledger, say=say)
                with _scratch(ledger) as scratch:
                    build = _Build(folder, scratch, base=base, is_pulled=bool(python_image))
                    found = build.run(name, tag, key, revision=revision, say=say)
            images[name] = found
    return images


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


class _Build:
    """One image on its way from Dockerfile to archive."""

    def __init__(self, folder: Path, scratch: Path, *, base: str, is_pulled: bool) -> None:
        self._folder = folder
        self._scratch = scratch
        self._base = base
        self._is_pulled = is_pulled
        self._store = _store(folder, base)

    def run(
        self, name: str, tag: str, key: str, *, revision: str | None, say: Callable[[str], None]
    ) -> BuiltImage:
        if not self._is_pulled and not self._store.has(self._base):
            self._make_base(say)
        say(f"Building {name}:{tag}: a minute from nothing, else some 10 s")
        started = time.monotonic()
        # The full form of the short name in a pod template.
        image = f"docker.io/library/{name}:{tag}"
        self._store.build(
            paths.REPOSITORY / f"Dockerfile.{image_inputs.part(name)}",
            paths.REPOSITORY,
            image=image,
            label=f"{name}:{tag}",
            options=[*self._options(), *image_inputs.label_options(revision or f"sources-{key}")],
        )
        unfinished = self._scratch / f"{name}.tar"
        self._store.export(image, unfinished)
        archive = self._folder / f"{name}-{tag}.tar"
        _record(archive).unlink(missing_ok=True)
        shutil.move(unfinished, archive)
        built = BuiltImage(
            name=name,
            tag=tag,
            archive=archive,
            key=key,
            id=self._store.image_id(image),
            size_bytes=archive.stat().st_size,
        )
        # Last, so that a record means a whole archive.
        _record(archive).write_text(json.dumps(asdict(built), default=str, indent=1) + "\n")
        took = time.monotonic() - started
        say(f"Built {built.reference} in {took:.0f} s: {built.size_bytes / 1e6:.0f} MB unpacked")
        return built

    def _make_base(self, say: Callable[[str], None]) -> None:
        archive = self._folder / f"base-{base_image.recipe_key()}.tar"
        if not archive.exists():
            for older in self._folder.glob("base-*.tar"):
                older.unlink()
            say(
                "Making the base image from Debian's packages, about a minute, once; "
                "PYTHON_IMAGE=... pulls another base instead"
            )
            base_image.make(
                archive,
                scratch=self._scratch,
                environment={**os.environ, "SOURCE_DATE_EPOCH": image_inputs.epoch()},
            )
        dockerfile = self._scratch / "Dockerfile.base"
        dockerfile.write_text(f"FROM scratch\nADD {archive.name} /\n")
        self._store.build(
            dockerfile,
            self._folder,
            image=self._base,
            label="the base image",
            options=["--timestamp", image_inputs.epoch()],
        )

    def _options(self) -> list[str]:
        options = ["--timestamp", image_inputs.epoch(), "--build-arg", f"PYTHON_IMAGE={self._base}"]
        bundle = image_inputs.ca_bundle()
        if bundle:
            options += ["--secret", f"id=ca.pem,src={bundle}"]
        settings = self._scratch / "pip.conf"
        settings.touch(mode=0o600)
        settings.write_text(
            image_inputs.pip_configuration("/run/secrets/ca.pem" if bundle else None)
        )
        return [*options, "--secret", f"id=pip.conf,src={settings}"]


def _store(folder: Path, base: str) -> buildah.Store:
    """Return the store of layers, empty when its old layers are of no more use."""
    place = folder / "store"
    layers = " ".join(image_inputs.layers_key(name, base=base) for name in NAMES)
    kept_for = place / "layers"
    if place.exists() and (not kept_for.exists() or kept_for.read_text() != layers):
        shutil.rmtree(place)
    store = buildah.Store(place)
    if store.is_crowded():
        shutil.rmtree(place)
        store = buildah.Store(place)
    kept_for.write_text(layers)
    return store


def _record(archive: Path) -> Path:
    return archive.with_suffix(".json")


def _cached(folder: Path, name: str, tag: str, key: str) -> BuiltImage | None:
    archive = folder / f"{name}-{tag}.tar"
    try:
        record = json.loads(_record(archive).read_bytes())
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    if record["key"] != key or not archive.exists():
        return None
    return BuiltImage(**{**record, "archive": archive})


def _gzipped_bytes(archive: tarfile.TarFile, layer: str) -> int:
    content = archive.extractfile(layer)
    if content is None:
        return 0
    packer = zlib.compressobj(level=6, wbits=31)
    size = 0
    while chunk := content.read(_CHUNK_BYTES):
        size += len(packer.compress(chunk))
    return size + len(packer.flush())


@contextlib.contextmanager
def _scratch(ledger: Ledger) -> Iterator[Path]:
    # The unprivileged user that fetches Debian's packages passes through it.
    folder = ledger.make_directory("images", mode=0o711)
    try:
        yield folder
    finally:
        ledger.remove_directory(folder)


@contextlib.contextmanager
def _alone(folder: Path, say: Callable[[str], None]) -> Iterator[None]:
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Another process builds images: waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
