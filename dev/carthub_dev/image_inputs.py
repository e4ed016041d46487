"""What goes into an image: its files, its labels, and the settings of the machine that builds.

The settings (an index with credentials, perhaps) reach the build as a secret, which buildah
mounts and never stores.
"""

import ast
import hashlib
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from carthub_dev import paths

# 2026-01-01: no build may leave the time of day in an image.
_EPOCH = "1767225600"
# Raised when the same files begin to give another archive: older ones are then built again.
_BUILDER = "2"
# As the Dockerfiles copy them: an edit of one program leaves the image of the other as it is.
_VERSION = "operator/carthub_operator/version.py"
_SHARED_SOURCES = ("pyproject.toml", "README.md", "LICENSE", "crds")
_SOURCES = {"operator": ("operator",), "service": (_VERSION, "service/app")}
_CA_VARIABLES = ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_PIP_SETTINGS = ("index-url", "extra-index-url", "trusted-host", "proxy", "timeout", "retries")
# The later wins.
_PIP_SECTIONS = ("global", "install", ":env:")


def content_key(
    name: str, *, base: str, revision: str | None = None, root: Path = paths.REPOSITORY
) -> str:
    """Return what identifies everything that goes into an image, the base by its name only."""
    given = [*_recipe(name), *_SHARED_SOURCES, *_SOURCES[part(name)]]
    files = [file for path in given for file in _files(root / path)]
    return _digest(files, root, _BUILDER, base, epoch(), revision or "")


def layers_key(name: str, *, base: str, root: Path = paths.REPOSITORY) -> str:
    """Return what identifies the layers below the sources, which old builds share."""
    return _digest([root / path for path in _recipe(name)], root, base, epoch())


def ca_bundle() -> str | None:
    """Return this machine's own list of authorities, None where the usual one serves."""
    given = (os.environ.get(variable, "") for variable in _CA_VARIABLES)
    return next((path for path in given if Path(path).is_file()), None)


def pip_configuration(ca_file: str | None) -> str:
    """Return this machine's pip settings as a file for the build, which never stores it."""
    asked = [sys.executable, "-m", "pip", "--disable-pip-version-check", "config", "list"]
    listed = subprocess.run(asked, capture_output=True, text=True, check=False)
    found: dict[str, tuple[int, str]] = {}
    for line in listed.stdout.splitlines():
        setting, _, value = line.partition("=")
        section, _, option = setting.rpartition(".")
        if section in _PIP_SECTIONS and option in _PIP_SETTINGS:
            given = (_PIP_SECTIONS.index(section), ast.literal_eval(value))
            found[option] = max(found.get(option, given), given)
    lines = [f"cert = {ca_file}"] if ca_file else []
    for option, (_, value) in found.items():
        lines.append(f"{option} = " + "\n    ".join(value.split()))
    return "\n".join(["[global]", *lines, ""])


def label_options(revision: str) -> list[str]:
    """Return buildah's options for the labels that differ between builds.

    Not the Dockerfile's arguments: buildah 1.28 does not see another value of an argument that
    only a LABEL uses, and takes the layer with the old value from its cache.
    """
    prefix = "org.opencontainers.image"
    return [
        *("--label", f"{prefix}.version={version()}"),
        *("--label", f"{prefix}.revision={revision}"),
    ]


def version(root: Path = paths.REPOSITORY) -> str:
    """Return the version as the wheel has it, without importing what is shipped."""
    source = (root / _VERSION).read_text()
    return next(
        str(ast.literal_eval(node.value))
        for node in ast.parse(source).body
        if isinstance(node, ast.Assign) and "version" in ast.unparse(node.targets[0])
    )


def epoch() -> str:
    """Return the time that all files of a build carry, in seconds since 1970."""
    return os.environ.get("SOURCE_DATE_EPOCH", _EPOCH)


def part(name: str) -> str:
    """Return the last part of an image's name, which names its Dockerfile and lock."""
    return name.removeprefix("carthub-")


def _recipe(name: str) -> list[str]:
    lock = f"requirements/{part(name)}.lock"
    return [f"Dockerfile.{part(name)}", ".dockerignore", lock, "requirements/build.lock"]


def _digest(files: Iterable[Path], root: Path, *others: str) -> str:
    digest = hashlib.sha256("\0".join(others).encode())
    for file in files:
        digest.update(f"\0{file.relative_to(root)}\0".encode())
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:16]


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    found = (file for file in path.rglob("*") if file.is_file())
    return sorted(file for file in found if "__pycache__" not in file.parts)
