"""buildah with a storage of its own, inside namespaces that end with it.

Nothing of the containers that a person keeps on this machine is read or changed. buildah's chroot
isolation mounts a lot; in a mount namespace of its own nothing can stay behind, and the pid
namespace ends every process of the build with the one that started it, SIGKILL included.
"""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console

from carthub_dev import programs
from carthub_dev.errors import BuildFailed

# Every edit of the sources leaves some twenty small layers in the cache of layers, and buildah
# goes through all of them for each instruction.
_IMAGES_KEPT = 1000
_LINES_KEPT = 40
_STEP = re.compile(r"STEP (\d+/\d+): (.{1,40})")


def contained(*argv: str | Path) -> list[str]:
    """Return a command that runs in its own mount and pid namespaces and dies with its parent."""
    return [
        *("setpriv", "--pdeathsig", "KILL"),
        *("unshare", "--mount", "--propagation", "private", "--pid", "--fork"),
        *("--kill-child", "--mount-proc"),
        *map(str, argv),
    ]


class Store:
    """A folder of images and layers, deletable at any time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._driver = "overlay" if _overlay_works(folder) else "vfs"
        # Instead of this machine's storage.conf, whose stores and options are not ours.
        self._settings = folder / "storage.conf"
        self._settings.write_text(
            f'[storage]\ndriver = "{self._driver}"\n'
            f'graphroot = "{folder / "root"}"\nrunroot = "{folder / "run"}"\n'
        )

    def has(self, image: str) -> bool:
        """Tell whether an image is in this store."""
        return self._run("inspect", "--type", "image", image, check=False).returncode == 0

    def build(
        self, dockerfile: Path, context: Path, *, image: str, label: str, options: list[str]
    ) -> None:
        """Build an image from a Dockerfile; raises BuildFailed with the end of the output."""
        # What an interrupted build left.
        self._run("rm", "--all")
        build = ["build", "--isolation", "chroot", "--layers", "--tag", image, *options]
        command = contained("buildah", *build, "--file", dockerfile, context)
        last: list[str] = []
        with (
            Console(stderr=True).status(f"Building {label}") as shown,
            subprocess.Popen(
                command,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            ) as running,
        ):
            assert running.stdout is not None  # noqa: S101 - a pipe was asked for
            try:
                for line in running.stdout:
                    last = [*last[1 - _LINES_KEPT :], line.rstrip()]
                    if step := _STEP.search(line):
                        shown.update(f"Building {label}: step {step[1]} {step[2]}")
            except BaseException:
                running.kill()
                raise
        if running.returncode:
            raise BuildFailed(f"{label}: buildah ended with {running.returncode}:\n" + _text(last))

    def export(self, image: str, archive: Path) -> None:
        """Write an image as a docker-archive under its own name."""
        self._run("push", "--quiet", image, f"docker-archive:{archive}:{image}")

    def layout(self, archive: Path, folder: Path, *, image: str, tag: str) -> str:
        """Write an image of a docker-archive as an OCI layout, and return its digest.

        The digest is that of a registry which gets it from there: the layers are packed already.
        """
        self._run("pull", "--quiet", f"docker-archive:{archive}")
        self._run("push", "--quiet", "--format", "oci", image, f"oci:{folder}:{tag}")
        (manifest,) = json.loads((folder / "index.json").read_bytes())["manifests"]
        return str(manifest["digest"])

    def image_id(self, image: str) -> str:
        """Return the digest of an image's configuration: equal images have equal ones."""
        shown = self._run("inspect", "--type", "image", "--format", "{{.FromImageID}}", image)
        return shown.stdout.strip()

    def is_crowded(self) -> bool:
        """Tell whether so many old layers are kept that starting afresh is faster."""
        listed = self.folder / "root" / f"{self._driver}-images" / "images.json"
        return listed.exists() and len(json.loads(listed.read_bytes())) > _IMAGES_KEPT

    def _run(self, *argv: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            contained("buildah", *argv),
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if check and done.returncode:
            raise BuildFailed(f"buildah {argv[0]} ended with {done.returncode}: {done.stderr}")
        return done

    def _environment(self) -> Mapping[str, str]:
        return {
            **os.environ,
            "PATH": programs.search_path(),
            "CONTAINERS_STORAGE_CONF": str(self._settings),
        }


def _overlay_works(folder: Path) -> bool:
    """Tell whether overlay mounts work here; inside some containers they do not."""
    trial = folder / "trial"
    parts = {name: trial / name for name in ("lower", "upper", "work", "merged")}
    for part in parts.values():
        part.mkdir(parents=True, exist_ok=True)
    layers = f"lowerdir={parts['lower']},upperdir={parts['upper']},workdir={parts['work']}"
    mount = contained("mount", "-t", "overlay", "overlay", "-o", layers, parts["merged"])
    works = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    shutil.rmtree(trial)
    return works


def _text(lines: list[str]) -> str:
    return "\n".join(lines)
