"""The image of a pod's first container, which only holds its namespaces: 1.5 MB, from scratch."""

import hashlib
import io
import json
import platform
import tarfile
import tempfile
from pathlib import Path

from carthub_dev import go_build, paths, toolchain

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_FLAGS = ("-trimpath", "-ldflags", "-s -w")


def archive(image: str) -> Path:
    """Return a docker-archive of the pause image, built once (2 s) and kept in the cache."""
    source = paths.TOOL_SOURCES / "pause"
    machine = platform.machine()
    digest = hashlib.sha256(" ".join((image, machine, *_FLAGS)).encode())
    for file in ("go.mod", "main.go"):
        digest.update((source / file).read_bytes())
    kept = paths.cache_dir() / "tools" / f"pause-{digest.hexdigest()[:16]}.tar"
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".pause-", dir=kept.parent) as folder:
            go = toolchain.find_go("1.26.0", "the pause image")
            go_build.build(
                go, source, packages=(".",), flags=_FLAGS, target=Path(folder), label="pause"
            )
            made = Path(folder, "archive.tar")
            made.write_bytes(docker_archive(image, Path(folder, "pause").read_bytes(), machine))
            made.replace(kept)
    return kept


def docker_archive(image: str, program: bytes, machine: str) -> bytes:
    """Return an archive with an image that holds one static program and runs it."""
    layer = _tar({"pause": program}, mode=0o755)
    config = json.dumps(
        {
            "architecture": _ARCHITECTURES.get(machine, machine),
            "os": "linux",
            "config": {"Entrypoint": ["/pause"], "User": "65535:65535"},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{_sha256(layer)}"]},
        }
    ).encode()
    config_name = f"{_sha256(config)}.json"
    manifest = json.dumps(
        [{"Config": config_name, "RepoTags": [image], "Layers": ["layer.tar"]}]
    ).encode()
    return _tar({config_name: config, "layer.tar": layer, "manifest.json": manifest}, mode=0o644)


def _tar(files: dict[str, bytes], mode: int) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), mode
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
