"""The images of a node, unpacked once and shared by hard links.

Importing two images of 190 MB takes a node 6 to 13 s, linking them 0.4 s. What is linked is never
written: containerd's layers and blobs are read-only, its databases are copied.
"""

import contextlib
import hashlib
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from carthub_dev import image_archives, paths, programs, toolchain
from carthub_dev.errors import PlatformError
from carthub_dev.ledger import Ledger
from carthub_dev.locks import alone
from carthub_dev.processes import Process

_KEPT = 3
_KEY_LENGTH = 16
_IMPORT_SECONDS = 300.0


def prepared(archives: Sequence[Path], ledger: Ledger) -> Path:
    """Return a containerd root that holds the images of these archives, made when not kept."""
    parent = paths.cache_dir() / "image-stores"
    parent.mkdir(parents=True, exist_ok=True)
    kept = parent / key(archives)
    with alone(parent):
        if not kept.exists():
            _make(kept, archives, ledger)
            image_archives.drop_old(parent, "?" * _KEY_LENGTH, kept=_KEPT)
        # The most recently used stay.
        os.utime(kept)
    return kept


def link(store: Path, root: Path) -> None:
    """Make a containerd root of the images in a store, without copying them."""
    copy = programs.program("cp")
    for how in ("--link", "--reflink=auto"):
        # Links do not reach another file system.
        done = subprocess.run(
            [copy, "--archive", how, str(store), str(root)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode == 0:
            break
        shutil.rmtree(root, ignore_errors=True)
    else:
        raise PlatformError(f"{store} is not copied to {root}: {done.stderr.strip()}")
    for database in root.rglob("*.db"):
        own = database.with_suffix(".own")
        shutil.copy2(database, own)
        own.replace(database)


@contextlib.contextmanager
def containerd(ledger: Ledger, *, root: Path | None = None) -> Iterator[Path]:
    """Run a containerd that only keeps images, and yield its socket."""
    # Elsewhere than its root, because the path of a socket must be short.
    run = ledger.make_directory("containerd")
    socket = run / "containerd.sock"
    config = run / "config.toml"
    config.write_text(
        f'version = 3\nroot = "{root or run / "root"}"\nstate = "{run}/state"\n'
        'disabled_plugins = ["io.containerd.grpc.v1.cri"]\n'
        f'[grpc]\naddress = "{socket}"\n[ttrpc]\naddress = "{socket}.ttrpc"\n'
    )
    program = toolchain.tool_set("containerd").binary("containerd")
    with Process(
        [program, "--config", config],
        log=run / "containerd.log",
        ledger=ledger,
        role="containerd that keeps images",
        env={"PATH": os.environ.get("PATH", os.defpath)},
    ) as running:
        running.wait_until_ready(lambda: ctr(socket, "version").returncode == 0)
        yield socket
    ledger.remove_directory(run)


def import_archive(archive: Path, socket: Path) -> None:
    """Import an archive into a running containerd, where its kubelet looks for images."""
    # --local halves the time: containerd's own transfer service unpacks layer after layer.
    done = ctr(socket, "images", "import", "--local", str(archive), timeout_seconds=_IMPORT_SECONDS)
    if done.returncode:
        raise PlatformError(f"{archive} is not imported: {done.stderr.strip()}")


def ctr(
    socket: Path, *arguments: str, timeout_seconds: float = 10.0
) -> subprocess.CompletedProcess[str]:
    """Return the finished ctr, whatever it answered."""
    program = str(toolchain.tool_set("containerd").binary("ctr"))
    command = [program, "--address", str(socket), "--namespace", "k8s.io", *arguments]
    try:
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
            timeout=timeout_seconds,
        )
    except subprocess.TimeoutExpired:
        late = f"no answer after {timeout_seconds:g} s"
        return subprocess.CompletedProcess(command, returncode=-1, stdout="", stderr=late)


def key(archives: Sequence[Path]) -> str:
    """Return what identifies the images: a manifest names the digests of all it holds."""
    digest = hashlib.sha256(toolchain.tool_set("containerd").folder.name.encode())
    for archive in archives:
        digest.update(_manifest(archive))
    return digest.hexdigest()[:_KEY_LENGTH]


def _manifest(archive: Path) -> bytes:
    with tarfile.open(archive) as tar, contextlib.suppress(KeyError):
        if manifest := tar.extractfile("manifest.json"):
            return manifest.read()
    raise PlatformError(f"{archive} is no docker-archive: it has no manifest.json")


def _make(kept: Path, archives: Sequence[Path], ledger: Ledger) -> None:
    # Beside its final place, to be renamed; the ledger removes what a killed start leaves.
    folder = ledger.make_directory("making", parent=kept.parent)
    with containerd(ledger, root=folder) as socket:
        for archive in archives:
            import_archive(archive, socket)
    folder.rename(kept)
    ledger.remove_directory(folder)
