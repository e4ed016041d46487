"""Everything that a version is published as, in one folder, each file with its SHA-256.

The same commit gives the same files again; docs/releases.md says how far. A snapshot is the same of
what the checkout holds just now, for trying.
"""

import hashlib
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from carthub_dev import (
    buildah,
    changelog,
    chart_package,
    image_archives,
    image_contents,
    image_inputs,
    images,
    packages,
    paths,
    python_packages,
    revision,
    sbom,
)
from carthub_dev.errors import NotPermitted
from carthub_dev.ledger import Ledger

SUMS = "SHA256SUMS"
DEFAULT_FOLDER = paths.REPOSITORY / "dist"
_OTHERWISE = "leave the images out with --no-images"
# What people install, and how the locks that pin it are called.
_LOCKS = ("cli", "operator", "service")


@dataclass(frozen=True)
class Request:
    """What is wanted: of which checkout, into which folder; images are of this one always."""

    folder: Path = DEFAULT_FOLDER
    root: Path = paths.REPOSITORY
    is_snapshot: bool = False
    has_images: bool = True


def build(ledger: Ledger, request: Request, *, say: Callable[[str], None] = print) -> list[Path]:
    """Build a version and return its files, once all are there.

    Raises NotReleasable for a checkout that is not committed or has no words in the changelog,
    unless a snapshot is asked for.
    """
    version = image_inputs.version(request.root)
    found = revision.read(request.root)
    if not request.is_snapshot:
        revision.check(request.root, found, version)
    if request.has_images and os.geteuid() != 0:
        raise NotPermitted(f"images are built by root on Linux; or {_OTHERWISE}")
    scratch = ledger.make_directory("release", mode=0o711)
    try:
        making = _Making(scratch, version, found, request)
        making.python()
        making.files()
        making.chart()
        if request.has_images:
            making.images(ledger, say)
        making.notes()
        making.sums()
        return _publish(making.folder, request.folder)
    finally:
        ledger.remove_directory(scratch)


class _Making:
    """The files of one version on their way."""

    def __init__(
        self, scratch: Path, version: str, found: revision.Revision, request: Request
    ) -> None:
        self.folder = scratch / "made"
        self.folder.mkdir()
        self._scratch = scratch
        self._version = version
        self._revision = found
        self._request = request
        self._digests: dict[str, str] = {}

    def python(self) -> None:
        """Build the wheel and the source archive."""
        python_packages.build(self.folder, epoch=self._revision.epoch, root=self._request.root)

    def files(self) -> None:
        """Copy what is published as it is: the definition, and what pins an installation."""
        root = self._request.root
        (definition,) = (root / "crds").glob("*.yaml")
        shutil.copyfile(definition, self.folder / f"carthub-{self._version}-crds.yaml")
        for name in _LOCKS:
            lock = root / "requirements" / f"{name}.lock"
            shutil.copyfile(lock, self.folder / f"carthub-{self._version}-{name}.lock")

    def chart(self) -> None:
        """Package the chart."""
        chart_package.build(
            self.folder,
            version=self._version,
            epoch=self._revision.epoch,
            home=self._scratch / "helm",
            root=self._request.root,
        )

    def images(self, ledger: Ledger, say: Callable[[str], None]) -> None:
        """Build both images, each with the list of what is in it."""
        # A snapshot is what `make run` runs, and costs nothing where that was built.
        is_snapshot = self._request.is_snapshot
        commit = None if is_snapshot else self._revision.commit
        tag = "dev" if is_snapshot else self._version
        built = images.build_images(ledger, tag, revision=commit, say=say)
        packages.ensure(
            ("buildah",), "to pack images", ledger=ledger, say=say, otherwise=_OTHERWISE
        )
        store = buildah.Store(self._scratch / "store")
        for name, image in built.items():
            say(f"Packing {image.reference}")
            layout = self._scratch / name
            digest = store.layout(
                image.archive, layout, image=f"docker.io/library/{image.reference}", tag=tag
            )
            stem = self.folder / f"{name}-{self._version}"
            epoch = int(image_inputs.epoch())
            image_archives.pack(layout, stem.with_name(f"{stem.name}.oci.tar"), epoch=epoch)
            document = sbom.document(
                sbom.Subject(name, self._version, digest),
                image_contents.read(image.archive, wanted=sbom.is_read),
                epoch=epoch,
            )
            stem.with_name(f"{stem.name}.cdx.json").write_text(document)
            self._digests[name] = digest

    def notes(self) -> None:
        """Write what is new, and which images belong to it."""
        said = revision.notes(self._request.root, self._version)
        title = f"# Carthub {self._version}"
        if self._request.is_snapshot:
            title += f": a snapshot, not a release\n\nOf {self._revision}."
            said = said or revision.notes(self._request.root, changelog.UNRELEASED)
        parts = [title, said or ""]
        if self._digests:
            rows = [f"| `{name}` | `{digest}` |" for name, digest in self._digests.items()]
            parts.append("\n".join(["| image | digest |", "|---|---|", *rows]))
        parts.append(
            f"`sha256sum --check {SUMS}` checks the files. docs/upgrading.md says how to upgrade."
        )
        text = "\n\n".join(filter(None, parts)) + "\n"
        (self.folder / f"release-notes-{self._version}.md").write_text(text)

    def sums(self) -> None:
        """Write the SHA-256 of every file, as sha256sum does."""
        lines = [f"{_sha256(file)}  {file.name}\n" for file in sorted(self.folder.iterdir())]
        (self.folder / SUMS).write_text("".join(lines))


def _publish(made: Path, folder: Path) -> list[Path]:
    """Move what was made to where it is wanted; what was made there before goes."""
    folder.mkdir(parents=True, exist_ok=True)
    sums = folder / SUMS
    if sums.exists():
        for line in sums.read_text().splitlines():
            (folder / Path(line.partition("  ")[2]).name).unlink(missing_ok=True)
        sums.unlink()
    # The sums last: where they are, everything is.
    names = sorted((file.name for file in made.iterdir()), key=lambda name: (name == SUMS, name))
    for name in names:
        shutil.move(made / name, folder / name)
    return [folder / name for name in names]


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
