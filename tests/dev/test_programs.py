from pathlib import Path

import pytest

from carthub_dev import packages, programs
from carthub_dev.errors import ToolMissing


def test_a_program_is_found_in_system_folders_missing_from_path(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(programs, "_SYSTEM_FOLDERS", (str(tmp_path / "sbin"),))
    runc = tmp_path / "sbin" / "runc"
    assert not packages.is_present("runc")
    runc.parent.mkdir()
    runc.touch(mode=0o755)
    assert packages.is_present("runc")
    assert programs.program("runc") == str(runc)


def test_a_program_that_is_not_installed_is_named() -> None:
    with pytest.raises(ToolMissing, match="carthub-no-such-program is not installed"):
        programs.program("carthub-no-such-program")
