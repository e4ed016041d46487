from pathlib import Path
from types import SimpleNamespace

import pytest

from carthub_dev import paths
from carthub_dev.errors import UnusableFolder


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("CARTHUB_CACHE", "CARTHUB_STATE", "XDG_CACHE_HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(variable, raising=False)


def test_a_relative_folder_with_blanks_is_one_place_for_every_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CARTHUB_CACHE", "a cache")
    assert paths.cache_dir() == tmp_path / "a cache"
    assert (tmp_path / "a cache").is_dir()


@pytest.mark.parametrize("home", [None, ""])
def test_without_a_home_the_account_says_where_it_is(
    home: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pwd.getpwuid", lambda _: SimpleNamespace(pw_dir=str(tmp_path)))
    if home is None:
        monkeypatch.delenv("HOME")
    else:
        monkeypatch.setenv("HOME", home)
    assert paths.cache_dir() == tmp_path / ".cache" / "carthub"


def test_a_folder_that_cannot_be_made_is_named_with_what_moves_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("CARTHUB_STATE", str(tmp_path / "file" / "below"))
    with pytest.raises(
        UnusableFolder, match=r"file/below cannot be used \(Not a directory\): set CARTHUB_STATE"
    ):
        paths.state_root()


def test_a_folder_that_cannot_be_written_is_named_with_what_moves_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.access", lambda *_: False)
    monkeypatch.setenv("CARTHUB_CACHE", str(tmp_path))
    with pytest.raises(UnusableFolder, match=r"\(it is read-only\): set CARTHUB_CACHE"):
        paths.cache_dir()
