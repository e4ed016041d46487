import io
import tarfile
from pathlib import Path

import pytest

from carthub_dev import image_store, pause
from carthub_dev.errors import PlatformError


@pytest.fixture
def store(tmp_path: Path) -> Path:
    folder = tmp_path / "store"
    (folder / "layers").mkdir(parents=True)
    (folder / "layers" / "program").write_text("shared")
    (folder / "meta.db").write_text("known")
    return folder


def test_layers_are_shared_and_databases_are_not(store: Path, tmp_path: Path) -> None:
    root = tmp_path / "root"
    image_store.link(store, root)

    assert (root / "layers" / "program").samefile(store / "layers" / "program")
    (root / "meta.db").write_text("changed")
    assert (store / "meta.db").read_text() == "known"


def test_a_store_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(PlatformError, match=r"nowhere is not copied to .*root"):
        image_store.link(tmp_path / "nowhere", tmp_path / "root")


def test_other_images_are_another_store(tmp_path: Path) -> None:
    archives: list[Path] = []
    for name in ("a", "b", "b"):
        archive = tmp_path / f"{len(archives)}.tar"
        archive.write_bytes(pause.docker_archive(f"{name}:1", b"program", "x86_64"))
        archives.append(archive)
    first, second, again = (image_store.key([archive]) for archive in archives)

    assert first != second
    assert second == again
    assert image_store.key(archives[:2]) not in {first, second}


def test_what_is_no_image_archive_is_named(tmp_path: Path) -> None:
    archive = tmp_path / "other.tar"
    with tarfile.open(archive, "w") as tar:
        tar.addfile(tarfile.TarInfo("index.json"), io.BytesIO())
    with pytest.raises(PlatformError, match=r"other\.tar is no docker-archive"):
        image_store.key([archive])


@pytest.mark.usefixtures("container_runtime_tools")
def test_nobody_listening_is_an_answer_and_no_exception(tmp_path: Path) -> None:
    done = image_store.ctr(tmp_path / "nobody.sock", "version", timeout_seconds=0.5)
    assert done.returncode != 0
    assert done.stderr
