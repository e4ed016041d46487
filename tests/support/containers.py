"""An image as a file system and as processes: unpacked, and run by the runtime of the nodes."""

import json
import secrets
import shutil
import subprocess
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from carthub_dev import buildah, programs

_WHITEOUT = ".wh."
_SECONDS = 60


@dataclass(frozen=True)
class UnpackedImage:
    """The root file system of an image, and its configuration as the image names it."""

    root: Path
    configuration: dict[str, Any]

    def run(
        self, *argv: str, environment: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command as a restricted pod would: the image's user, read-only root, no network.

        Without capabilities and new privileges; only /tmp can be written.
        """
        bundle = self.root.parent / f"bundle-{secrets.token_hex(4)}"
        bundle.mkdir()
        process = self._process(argv, environment or {})
        (bundle / "config.json").write_text(json.dumps(self._specification(process)))
        runc = programs.find("runc")
        assert runc is not None
        state = bundle / "state"
        run = ["--root", str(state), "run", "--bundle", str(bundle), bundle.name]
        try:
            # In namespaces of its own, as the builds: a killed test leaves no process, no mount.
            return subprocess.run(
                buildah.contained(runc, *run),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=_SECONDS,
                check=False,
            )
        finally:
            shutil.rmtree(bundle)

    def python(self, source: str) -> str:
        """Run a Python program in it and return what it printed."""
        done = self.run("python", "-c", source)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def _process(self, argv: Sequence[str], environment: dict[str, str]) -> dict[str, Any]:
        user, group = (int(part) for part in self.configuration["User"].split(":"))
        variables = [f"{key}={value}" for key, value in environment.items()]
        return {
            "args": list(argv),
            "cwd": self.configuration["WorkingDir"],
            "env": [*self.configuration["Env"], *variables],
            "user": {"uid": user, "gid": group},
            "noNewPrivileges": True,
        }

    def _specification(self, process: dict[str, Any]) -> dict[str, Any]:
        return {
            "ociVersion": "1.0.2",
            "process": process,
            "root": {"path": str(self.root), "readonly": True},
            "mounts": [
                {"destination": "/proc", "type": "proc", "source": "proc"},
                {"destination": "/dev", "type": "tmpfs", "source": "tmpfs"},
                {"destination": "/tmp", "type": "tmpfs", "source": "tmpfs"},  # noqa: S108 - the pod's own
            ],
            "linux": {
                "namespaces": [
                    {"type": kind} for kind in ("pid", "mount", "ipc", "uts", "network")
                ],
            },
        }


def unpack(archive: Path, folder: Path) -> UnpackedImage:
    """Unpack a docker-archive, layer over layer."""
    root = folder / "root"
    root.mkdir()
    with tarfile.open(archive) as outer:
        manifest = _json(outer, "manifest.json")[0]
        for name in manifest["Layers"]:
            _extract(outer, name, root)
            _apply_whiteouts(root)
        configuration = _json(outer, manifest["Config"])["config"]
    return UnpackedImage(root, configuration)


def _extract(archive: tarfile.TarFile, layer: str, root: Path) -> None:
    """Unpack a layer with the owners and modes it names."""
    content = archive.extractfile(layer)
    assert content is not None
    tar = ["tar", "--extract", "--numeric-owner", "--preserve-permissions", "--directory"]
    with subprocess.Popen([*tar, str(root)], stdin=subprocess.PIPE) as running:
        assert running.stdin is not None
        shutil.copyfileobj(content, running.stdin, 1 << 20)
    assert running.returncode == 0


def _json(archive: tarfile.TarFile, name: str) -> Any:
    content = archive.extractfile(name)
    assert content is not None
    return json.load(content)


def _apply_whiteouts(root: Path) -> None:
    for mark in [*root.rglob(f"{_WHITEOUT}*")]:
        hidden = mark.with_name(mark.name.removeprefix(_WHITEOUT))
        if hidden.is_dir() and not hidden.is_symlink():
            shutil.rmtree(hidden)
        else:
            hidden.unlink(missing_ok=True)
        mark.unlink()
