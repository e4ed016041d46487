"""Building the images: once, small, under the name a kubelet looks for, and nothing left behind."""

import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from carthub_dev import image_archives, images
from carthub_dev.image_archives import BuiltImage
from carthub_dev.ledger import Ledger
from tests.support import built_images

pytestmark = built_images.MARKS

MEGABYTE = 1_000_000


@pytest.mark.parametrize("name", images.NAMES)
def test_a_kubelet_finds_it_by_its_short_name(name: str, built: dict[str, BuiltImage]) -> None:
    with tarfile.open(built[name].archive) as archive:
        manifest = archive.extractfile("manifest.json")
        assert manifest is not None
        (image,) = json.load(manifest)
    assert built[name].reference == f"{name}:dev"
    assert image["RepoTags"] == [f"docker.io/library/{name}:dev"]


def test_the_images_stay_small(
    built: dict[str, BuiltImage], record_property: Callable[[str, object], None]
) -> None:
    compressed = image_archives.compressed_sizes(built.values())
    for name, image in built.items():
        record_property(f"{name}_unpacked_bytes", image.size_bytes)
        record_property(f"{name}_compressed_bytes", compressed[name])
        assert image.size_bytes < 215 * MEGABYTE
        assert compressed[name] < 74 * MEGABYTE


@pytest.mark.usefixtures("untouched_sources")
def test_nothing_is_built_again_while_nothing_has_changed(
    built: dict[str, BuiltImage], ledger: Ledger
) -> None:
    said: list[str] = []
    assert images.build_images(ledger, say=said.append) == built
    assert said == []


def test_a_build_leaves_no_mount_and_no_scratch_folder(
    built: dict[str, BuiltImage], ledger: Ledger
) -> None:
    folder = next(iter(built.values())).archive.parent
    mounts = Path("/proc/self/mountinfo").read_text()
    assert str(folder) not in mounts
    assert "carthub-images-" not in mounts
    assert not [e for e in ledger.entries() if "carthub-images-" in str(e.facts)]
