"""The Debian packages that the node tier needs beside what it builds itself.

Says what it will install, and how to do without, before it installs. A package whose program is
already there, however it came, is never touched.
"""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from carthub_dev.errors import ToolMissing

NODE = ("iproute2", "iptables", "runc", "util-linux")
IMAGES = ("buildah", "mmdebstrap")
DATABASE = ("postgresql",)

NEVER_INSTALL = "CARTHUB_NO_INSTALL"

_PROGRAMS = {
    "buildah": "buildah",
    "iproute2": "ip",
    "iptables": "iptables",
    "mmdebstrap": "mmdebstrap",
    "runc": "runc",
    "util-linux": "nsenter",
}
# Not on everybody's PATH, and where Debian keeps ip, iptables and runc.
_SYSTEM_FOLDERS = ("/usr/local/sbin", "/usr/sbin", "/sbin")
_POLICY = Path("/usr/sbin/policy-rc.d")
_POSTGRESQL_PROGRAMS = "usr/lib/postgresql/*/bin/postgres"
_APT = ("apt-get", "--quiet", "--option", "DPkg::Lock::Timeout=300")


def ensure(
    packages: Iterable[str], reason: str, *, say: Callable[[str], None] = print
) -> list[str]:
    """Install the packages that are missing and return their names.

    `reason` completes "needed ...", as in "to build images". Raises ToolMissing where it may
    not or cannot install them.
    """
    missing = [package for package in packages if not is_present(package)]
    if not missing:
        return []
    names = " ".join(missing)
    without = (
        f"To do without: install them another way, or use a cluster you have "
        f"(KUBECONFIG=... kubectl apply -k deploy/operator). {NEVER_INSTALL}=1 stops here."
    )
    if os.environ.get(NEVER_INSTALL):
        raise ToolMissing(f"{names}: missing, needed {reason}, and {NEVER_INSTALL} is set")
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise ToolMissing(
            f"{names}: missing, needed {reason}; only root on Debian or Ubuntu can have them "
            f"installed here. {without}"
        )
    say(f"Installing Debian packages, needed {reason}: {names}. {without}")
    _install(missing)
    if still := [package for package in missing if not is_present(package)]:
        raise ToolMissing(f"{' '.join(still)}: installed, but the program is not found")
    return missing


def is_present(package: str) -> bool:
    """Tell whether what we use of a package is there."""
    if package == "postgresql":
        return any(Path("/").glob(_POSTGRESQL_PROGRAMS))
    if program := _PROGRAMS.get(package):
        return find(program) is not None
    query = ["dpkg-query", "--show", "--showformat=${db:Status-Status}", package]
    with contextlib.suppress(FileNotFoundError):
        shown = subprocess.run(query, capture_output=True, text=True, check=False)
        return shown.stdout.strip() == "installed"
    return False


def find(program: str) -> Path | None:
    """Return where a program is, also in the system folders that PATH may lack."""
    path = os.pathsep.join((os.environ.get("PATH", ""), *_SYSTEM_FOLDERS))
    found = shutil.which(program, path=path)
    return Path(found) if found else None


def _install(missing: list[str]) -> None:
    with _no_services():
        _run(*_APT, "update")
        _run(*_APT, "install", "--yes", "--no-install-recommends", *missing)


@contextlib.contextmanager
def _no_services() -> Iterator[None]:
    """Keep a freshly installed package, PostgreSQL above all, from starting a server."""
    try:
        with _POLICY.open("x") as policy:
            policy.write("#!/bin/sh\nexit 101\n")
    except FileExistsError:
        # The machine has its own policy.
        yield
        return
    try:
        _POLICY.chmod(0o755)
        yield
    finally:
        _POLICY.unlink(missing_ok=True)


def _run(*argv: str) -> None:
    done = subprocess.run(
        argv,
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ToolMissing(f"{' '.join(argv)} ended with {done.returncode}:\n{done.stdout[-3000:]}")
