"""The images as a release has them: archives with digests of their own, and lists of contents."""

import hashlib
import json
import os
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from carthub_dev import image_archives, images, releasing
from carthub_dev.image_archives import BuiltImage
from carthub_dev.image_inputs import version
from carthub_dev.ledger import Ledger
from carthub_dev.releasing import Request
from tests.support import built_images
from tests.support.built_images import OPERATOR, SERVICE
from tests.support.locks import locked

pytestmark = built_images.MARKS


@dataclass(frozen=True)
class Published:
    """The folder of a snapshot, and its archives unpacked."""

    folder: Path
    layouts: dict[str, Path]

    def document(self, name: str) -> Any:
        return json.loads((self.folder / f"{name}-{version()}.cdx.json").read_bytes())

    def archive(self, name: str) -> Path:
        return self.folder / f"{name}-{version()}.oci.tar"


@pytest.fixture(scope="module")
def published(
    built: dict[str, BuiltImage],
    ledger: Ledger,
) -> Iterator[Published]:
    place = ledger.make_directory("published")
    folder = place / "dist"
    releasing.build(ledger, Request(folder, is_snapshot=True))
    layouts = {}
    for name in built:
        layouts[name] = place / name
        with tarfile.open(folder / f"{name}-{version()}.oci.tar") as packed:
            packed.extractall(layouts[name], filter="data")
    yield Published(folder, layouts)
    ledger.remove_directory(place)


@pytest.fixture(params=[OPERATOR, SERVICE])
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def read(layout: Path, digest: str) -> Any:
    return json.loads((layout / "blobs" / digest.replace(":", "/")).read_bytes())


def test_every_part_of_an_archive_has_its_digest(published: Published, name: str) -> None:
    layout = published.layouts[name]
    blobs = [*(layout / "blobs" / "sha256").iterdir()]

    assert {hashlib.sha256(blob.read_bytes()).hexdigest() for blob in blobs} == {
        blob.name for blob in blobs
    }
    (entry,) = json.loads((layout / "index.json").read_bytes())["manifests"]
    manifest = read(layout, entry["digest"])
    parts = [entry, manifest["config"], *manifest["layers"]]
    assert {part["digest"].removeprefix("sha256:") for part in parts} == {
        blob.name for blob in blobs
    }


def test_an_archive_has_the_image_that_is_tested(
    published: Published, built: dict[str, BuiltImage], name: str
) -> None:
    layout = published.layouts[name]
    (entry,) = json.loads((layout / "index.json").read_bytes())["manifests"]
    configuration = read(layout, read(layout, entry["digest"])["config"]["digest"])
    with tarfile.open(built[name].archive) as archive:
        opened = archive.extractfile("manifest.json")
        assert opened is not None
        (tested,) = json.load(opened)

    layers = [layer.removesuffix(".tar") for layer in tested["Layers"]]
    assert configuration["rootfs"]["diff_ids"] == [f"sha256:{layer}" for layer in layers]
    assert configuration["config"]["Entrypoint"] == [name]
    assert configuration["config"]["User"] == "10001:10001"


def test_the_notes_name_the_digest_that_a_registry_shows(published: Published, name: str) -> None:
    (entry,) = json.loads((published.layouts[name] / "index.json").read_bytes())["manifests"]

    notes = (published.folder / f"release-notes-{version()}.md").read_text()

    assert f"| `{name}` | `{entry['digest']}` |\n" in notes


def test_a_layout_is_packed_to_the_same_bytes_again(
    published: Published, name: str, tmp_path: Path
) -> None:
    with tarfile.open(published.archive(name)) as packed:
        (epoch,) = {int(member.mtime) for member in packed}

    image_archives.pack(published.layouts[name], tmp_path / "again.tar", epoch=epoch)

    assert (tmp_path / "again.tar").read_bytes() == published.archive(name).read_bytes()


def test_the_sums_are_those_of_the_archives(published: Published) -> None:
    check = ["sha256sum", "--check", "--strict", "SHA256SUMS"]
    done = subprocess.run(check, cwd=published.folder, capture_output=True, text=True, check=True)
    assert {f"{name}-{version()}.oci.tar: OK" for name in images.NAMES} <= {
        *done.stdout.splitlines()
    }


def test_a_list_of_contents_is_valid_and_about_its_image(published: Published, name: str) -> None:
    file = published.folder / f"{name}-{version()}.cdx.json"
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(file.read_text()) is None
    (entry,) = json.loads((published.layouts[name] / "index.json").read_bytes())["manifests"]
    image = published.document(name)["metadata"]["component"]
    assert image["purl"] == f"pkg:oci/{name}@{entry['digest']}"


def test_it_lists_exactly_the_locked_distributions(published: Published, name: str) -> None:
    found = {
        one["name"].lower().replace("_", "-"): one["version"]
        for one in published.document(name)["components"]
        if one.get("purl", "").startswith("pkg:pypi/")
    }

    assert found.pop("carthub") == version()
    assert found == locked(name)


def test_it_lists_the_packages_of_the_base(published: Published, name: str) -> None:
    told = published.document(name)["components"]

    debian = {one["name"] for one in told if one.get("purl", "").startswith("pkg:deb/debian/")}

    if "PYTHON_IMAGE" not in os.environ:
        assert {"python3", "libssl3", "libstdc++6"} <= debian
    assert {"libc6", "ca-certificates"} <= debian


def test_it_lists_what_the_wheels_have_compiled_in(published: Published) -> None:
    bundled = {
        (one["name"], part["name"])
        for one in published.document(SERVICE)["components"]
        for part in one.get("components", ())
    }

    # libpq and its OpenSSL come with the driver, another with the checks of tokens.
    assert bundled >= {
        ("psycopg2-binary", "openssl"),
        ("psycopg2-binary", "krb5-libs"),
        ("cryptography", "openssl"),
        ("pydantic_core", "regex"),
    }
    assert [part for owner, part in bundled if owner == "psycopg2-binary" and "libpq" in part]
