"""State folders of their own for tests of the platform, and the images of this checkout."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from carthub_dev import base_image, image_inputs, images
from carthub_dev.image_archives import BuiltImage
from carthub_dev.ledger import Ledger


@pytest.fixture
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state folder of the test's own, so that it sees no other instance."""
    monkeypatch.setenv("CARTHUB_STATE", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture
def own_ledger(own_state: Path) -> Iterator[Ledger]:
    with Ledger.open("test") as ledger:
        yield ledger
    assert not (own_state / "test").exists()


@pytest.fixture(scope="session")
def built(ledger: Ledger) -> dict[str, BuiltImage]:
    """Both images of this checkout by name."""
    return images.build_images(ledger)


@pytest.fixture
def untouched_sources(built: dict[str, BuiltImage]) -> None:
    """Skip where somebody edits the checkout while it is compared with what was built from it."""
    base = f"localhost/carthub-base:{base_image.recipe_key()}"
    base = os.environ.get("PYTHON_IMAGE") or base
    keys = {name: image_inputs.content_key(name, base=base) for name in built}
    if keys != {name: image.key for name, image in built.items()}:
        pytest.skip("the sources were edited after the images were built")
