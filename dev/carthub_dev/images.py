"""The two images, built from the Dockerfiles that everybody else builds, for containerd.

Built again only when what goes into them has changed; the finished archives stay in the cache.
"""

import contextlib
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from carthub_dev import base_image, buildah, image_archives, image_inputs, packages, paths
from carthub_dev.image_archives import BuiltImage
from carthub_dev.ledger import Ledger
from carthub_dev.locks import alone

NAMES = ("carthub-operator", "carthub-service")

# Each holds the base and the dependencies of both images, about a gigabyte.
_STORES_KEPT = 2


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
    with alone(folder, "builds images", say):
        for name in NAMES:
            key = image_inputs.content_key(name, base=base, revision=revision)
            found = image_archives.find(folder, name, tag, key)
            if found is None:
                packages.ensure(packages.IMAGES, "to build images", ledger=ledger, say=say)
                with _scratch(ledger) as scratch:
                    build = _Build(folder, scratch, base=base, is_pulled=bool(python_image))
                    found = build.run(name, tag, key, revision=revision, say=say)
            images[name] = found
    return images


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
        built = image_archives.keep(
            self._folder, unfinished, name=name, tag=tag, key=key, id=self._store.image_id(image)
        )
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
    """Return the store of these layers; others stay for the checkouts that use them."""
    layers = "-".join(image_inputs.layers_key(name, base=base) for name in NAMES)
    place = folder / f"store-{layers}"
    store = buildah.Store(place)
    if store.is_crowded():
        shutil.rmtree(place)
        store = buildah.Store(place)
    os.utime(place)
    image_archives.drop_old(folder, "store-*", kept=_STORES_KEPT)
    return store


@contextlib.contextmanager
def _scratch(ledger: Ledger) -> Iterator[Path]:
    # The unprivileged user that fetches Debian's packages passes through it.
    folder = ledger.make_directory("images", mode=0o711)
    try:
        yield folder
    finally:
        ledger.remove_directory(folder)
