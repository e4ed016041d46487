import os
from pathlib import Path

from carthub_dev import image_archives
from carthub_dev.image_archives import BuiltImage


def kept(folder: Path, key: str, content: str = "layers") -> BuiltImage:
    unfinished = folder / "unfinished"
    unfinished.write_text(content)
    return image_archives.keep(folder, unfinished, name="cart", tag="dev", key=key, id="sha256:1")


def test_what_is_kept_is_found_by_what_went_in(tmp_path: Path) -> None:
    built = kept(tmp_path, "a")
    assert built.reference == "cart:dev"
    assert built.size_bytes == len("layers")
    assert image_archives.find(tmp_path, "cart", "dev", "a") == built
    assert image_archives.find(tmp_path, "cart", "dev", "b") is None


def test_another_checkout_leaves_an_archive_as_it_is(tmp_path: Path) -> None:
    mine = kept(tmp_path, "mine", "my layers")
    theirs = kept(tmp_path, "theirs", "their layers")
    assert mine.archive.read_text() == "my layers"
    assert theirs.archive.read_text() == "their layers"


def test_the_most_recently_used_stay(tmp_path: Path) -> None:
    for age, key in enumerate("abc"):
        os.utime(kept(tmp_path, key).archive, (age, age))
    assert image_archives.find(tmp_path, "cart", "dev", "a")
    kept(tmp_path, "d")
    found = [image_archives.find(tmp_path, "cart", "dev", key) is not None for key in "abcd"]
    assert found == [True, False, True, True]
    assert len(list(tmp_path.iterdir())) == 3 * 2


def test_an_archive_without_its_record_is_not_whole(tmp_path: Path) -> None:
    built = kept(tmp_path, "a")
    built.archive.with_suffix(".json").unlink()
    assert image_archives.find(tmp_path, "cart", "dev", "a") is None
