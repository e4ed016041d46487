from pathlib import Path

import pytest

from carthub_dev import packages
from carthub_dev.errors import ToolMissing


def test_what_is_present_is_not_touched(capsys: pytest.CaptureFixture[str]) -> None:
    assert packages.ensure(["util-linux"], "to test") == []
    assert capsys.readouterr().out == ""


def test_a_program_is_found_in_system_folders_missing_from_path(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(packages, "_SYSTEM_FOLDERS", (str(tmp_path / "sbin"),))
    program = tmp_path / "sbin" / "runc"
    assert not packages.is_present("runc")
    program.parent.mkdir()
    program.touch(mode=0o755)
    assert packages.is_present("runc")


def test_an_unknown_package_is_looked_up_in_the_package_database() -> None:
    assert not packages.is_present("carthub-no-such-package")


def test_nothing_is_installed_when_forbidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(packages.NEVER_INSTALL, "1")
    with pytest.raises(ToolMissing, match=r"carthub-no-such-package: missing, needed to test"):
        packages.ensure(["carthub-no-such-package"], "to test")


def test_without_root_it_says_what_is_missing_and_the_way_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(packages.NEVER_INSTALL, raising=False)
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(ToolMissing, match=r"needed to test; only root .* deploy/operator"):
        packages.ensure(["carthub-no-such-package"], "to test")


def test_a_failed_installation_shows_what_apt_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "_APT", ("false",))
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr("shutil.which", lambda *_, **__: "/usr/bin/apt-get")
    monkeypatch.setattr(packages, "_POLICY", Path("/dev/null"))
    said: list[str] = []
    with pytest.raises(ToolMissing, match="false update ended with 1"):
        packages.ensure(["carthub-no-such-package"], "to test", say=said.append)
    assert said[0].startswith("Installing Debian packages, needed to test: carthub-no-such-package")
