"""The two images, built from the Dockerfiles that everybody else builds, for containerd.

Built again only when what goes into them has changed; the finished archives stay in the cache.
"""

import ast
import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from carthub_dev import base_image, buildah, packages, paths
from carthub_dev.errors import BuildFailed
from carthub_dev.ledger import Ledger

NAMES = ("carthub-operator", "carthub-service")

# 2026-01-01: no build may leave the time of day in an image.
_EPOCH = "1767225600"
_SOURCES = ("pyproject.toml", "README.md", "LICENSE", "operator", "service/app")
_CA_VARIABLES = ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_PIP_SETTINGS = ("index-url", "extra-index-url", "trusted-host", "proxy", "timeout", "retries")
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

    def compressed_bytes(self) -> int:
        """Return the size of its layers in a registry: each through gzip, some seconds' work."""
        with tarfile.open(self.archive) as archive:
            manifest = archive.extractfile("manifest.json")
            layers = json.load(manifest)[0]["Layers"] if manifest else []
            return sum(_gzipped_bytes(archive, layer) for layer in layers)


def build_images(
    ledger: Ledger | None = None,
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
            key = content_key(name, base=base, revision=revision)
            found = _cached(folder, name, tag, key)
            if found is None:
                packages.ensure(packages.IMAGES, "to build images", say=say)
                with _scratch(ledger) as scratch:
                    build = _Build(folder, scratch, base=base, is_pulled=bool(python_image))
                    found = build.run(name, tag, key, revision=revision, say=say)
            images[name] = found
    return images


def load_image(archive: Path, *, ctr: Path, socket: Path, netns: str | None = None) -> None:
    """Import an archive into a containerd, where its kubelet looks for images."""
    enter = ["nsenter", f"--net=/run/netns/{netns}"] if netns else []
    load = [str(ctr), "--address", str(socket), "--namespace", "k8s.io", "images", "import"]
    done = subprocess.run(
        [*enter, *load, str(archive)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise BuildFailed(f"{archive} is not imported: {done.stderr.strip()}")


def content_key(
    name: str, *, base: str, revision: str | None = None, root: Path = paths.REPOSITORY
) -> str:
    """Return what identifies everything that goes into an image, the base by its name only."""
    locks = (f"requirements/{_part(name)}.lock", "requirements/build.lock")
    digest = hashlib.sha256("\0".join((base, _epoch(), revision or "")).encode())
    for given in (f"Dockerfile.{_part(name)}", ".dockerignore", *locks, *_SOURCES):
        for file in _files(root / given):
            digest.update(f"\0{file.relative_to(root)}\0".encode())
            digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:16]


def pip_configuration(ca_bundle: str | None) -> str:
    """Return this machine's pip settings as a file for the build, which never stores it."""
    asked = [sys.executable, "-m", "pip", "--disable-pip-version-check", "config", "list"]
    listed = subprocess.run(asked, capture_output=True, text=True, check=False)
    lines = ["[global]"]
    if ca_bundle:
        lines.append(f"cert = {ca_bundle}")
    for line in listed.stdout.splitlines():
        setting, _, value = line.partition("=")
        section, _, option = setting.rpartition(".")
        if section in {"global", "install", ":env:"} and option in _PIP_SETTINGS:
            # Later lines win, and pip lists the environment last.
            value_lines = str(ast.literal_eval(value)).split()
            lines = [kept for kept in lines if not kept.startswith(f"{option} = ")]
            lines.append(f"{option} = " + "\n    ".join(value_lines))
    return "\n".join(lines) + "\n"


class _Build:
    """One image on its way from Dockerfile to archive."""

    def __init__(self, folder: Path, scratch: Path, *, base: str, is_pulled: bool) -> None:
        self._folder = folder
        self._scratch = scratch
        self._base = base
        self._is_pulled = is_pulled
        store = folder / "store"
        self._store = buildah.Store(store)
        if self._store.is_crowded():
            shutil.rmtree(store)
            self._store = buildah.Store(store)

    def run(
        self, name: str, tag: str, key: str, *, revision: str | None, say: Callable[[str], None]
    ) -> BuiltImage:
        if not self._is_pulled and not self._store.has(self._base):
            self._make_base(say)
        say(f"Building {name}:{tag}: about a minute when nothing of it is cached, else 10 s")
        started = time.monotonic()
        image = f"localhost/{name}:{tag}"
        self._store.build(
            paths.REPOSITORY / f"Dockerfile.{_part(name)}",
            paths.REPOSITORY,
            image=image,
            label=f"{name}:{tag}",
            options=[*self._options(), *_labels(revision or f"sources-{key}")],
        )
        unfinished = self._scratch / f"{name}.tar"
        self._store.export(image, unfinished, reference=f"{name}:{tag}")
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
                environment={**os.environ, "SOURCE_DATE_EPOCH": _epoch()},
            )
        dockerfile = self._scratch / "Dockerfile.base"
        dockerfile.write_text(f"FROM scratch\nADD {archive.name} /\n")
        self._store.build(
            dockerfile,
            self._folder,
            image=self._base,
            label="the base image",
            options=["--timestamp", _epoch()],
        )

    def _options(self) -> list[str]:
        options = ["--timestamp", _epoch(), "--build-arg", f"PYTHON_IMAGE={self._base}"]
        bundle = next((os.environ[name] for name in _CA_VARIABLES if os.environ.get(name)), None)
        if bundle:
            options += ["--secret", f"id=ca.pem,src={bundle}"]
        settings = self._scratch / "pip.conf"
        settings.touch(mode=0o600)
        settings.write_text(pip_configuration("/run/secrets/ca.pem" if bundle else None))
        return [*options, "--secret", f"id=pip.conf,src={settings}"]


def _labels(revision: str) -> list[str]:
    # Not the Dockerfile's arguments: buildah 1.28 does not see another value of an argument that
    # only a LABEL uses, and takes the layer with the old value from its cache.
    prefix = "org.opencontainers.image"
    values = {"version": _version(), "revision": revision}
    return [
        part for key, value in values.items() for part in ("--label", f"{prefix}.{key}={value}")
    ]


def _version() -> str:
    """Return the version as the wheel has it, without importing what is shipped."""
    source = (paths.REPOSITORY / "operator/carthub_operator/version.py").read_text()
    return next(
        str(ast.literal_eval(node.value))
        for node in ast.parse(source).body
        if isinstance(node, ast.Assign) and "version" in ast.unparse(node.targets[0])
    )


def _epoch() -> str:
    return os.environ.get("SOURCE_DATE_EPOCH", _EPOCH)


def _part(name: str) -> str:
    return name.removeprefix("carthub-")


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    found = (file for file in path.rglob("*") if file.is_file())
    return sorted(file for file in found if "__pycache__" not in file.parts)


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
def _scratch(ledger: Ledger | None) -> Iterator[Path]:
    """Yield a folder that also goes when this process is killed and has a ledger."""
    if ledger is None:
        with tempfile.TemporaryDirectory(prefix="carthub-images-") as made:
            # The unprivileged user that fetches Debian's packages passes through it.
            Path(made).chmod(0o711)
            yield Path(made)
        return
    folder = ledger.make_directory("images", mode=0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@contextlib.contextmanager
def _alone(folder: Path, say: Callable[[str], None]) -> Iterator[None]:
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Another process builds images: waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
