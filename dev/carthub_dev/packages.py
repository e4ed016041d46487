"""The Debian packages that the node tier needs beside what it builds itself.

Says what it will install, and how to do without, before it installs. A package whose program is
already there, however it came, is never touched.
"""

import contextlib
import os
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from carthub_dev import privileges, programs
from carthub_dev.errors import ToolMissing
from carthub_dev.ledger import Ledger
from carthub_dev.locks import alone

NODE = ("iproute2", "iptables", "runc", "util-linux")
IMAGES = ("buildah", "mmdebstrap")
DATABASE = ("postgresql",)
PUSH = ("skopeo",)
# Tests only: it stands for Amazon ECR.
REGISTRY = ("docker-registry",)
# Tests only: they look at the API's documentation.
BROWSER = ("chromium", "chromium-driver")
BENCHMARKS = ("wrk",)
# Tests only: its promtool judges the alerts.
MONITORING = ("prometheus",)
# Tests only: Argo CD keeps what it has seen in redis.
GITOPS = ("git", "redis-server")

NEVER_INSTALL = "CARTHUB_NO_INSTALL"

_PROGRAMS = {
    "buildah": "buildah",
    "chromium": "chromium",
    "chromium-driver": "chromedriver",
    "docker-registry": "docker-registry",
    "git": "git",
    "iproute2": "ip",
    "iptables": "iptables",
    "mmdebstrap": "mmdebstrap",
    "prometheus": "promtool",
    "redis-server": "redis-server",
    "runc": "runc",
    "skopeo": "skopeo",
    "util-linux": "nsenter",
    "wrk": "wrk",
}
_POLICY = Path("/usr/sbin/policy-rc.d")
_POSTGRESQL_PROGRAMS = "usr/lib/postgresql/*/bin/postgres"
# Of apt's locks only dpkg's can be waited for by an option; an update that meets another fails.
_WAIT_SECONDS = 300
_AGAIN_SECONDS = 1.0
_APT = ("apt-get", "--quiet", "--option", f"DPkg::Lock::Timeout={_WAIT_SECONDS}")
_LOCK_OF_UPDATES = "/var/lib/apt/lists/lock"


def ensure(
    packages: Iterable[str],
    reason: str,
    *,
    ledger: Ledger,
    say: Callable[[str], None] = print,
    otherwise: str = f"use {privileges.OWN_CLUSTER}",
) -> list[str]:
    """Install the packages that are missing and return their names.

    `reason` completes "needed ...", as in "to build images", and `otherwise` says how to do
    without beside installing them another way. Raises ToolMissing where it may
    not or cannot install them.
    """
    missing = [package for package in packages if not is_present(package)]
    if not missing:
        return []
    names = " ".join(missing)
    without = (
        f"To do without: install them another way, or {otherwise}. {NEVER_INSTALL}=1 stops here."
    )
    if os.environ.get(NEVER_INSTALL):
        raise ToolMissing(f"{names}: missing, needed {reason}, and {NEVER_INSTALL} is set")
    if os.geteuid() != 0 or programs.find("apt-get") is None:
        raise ToolMissing(
            f"{names}: missing, needed {reason}; only root on Debian or Ubuntu can have them "
            f"installed here. {without}"
        )
    say(f"Installing Debian packages, needed {reason}: {names}. {without}")
    # The policy below is for one at a time, so the lock is that of its folder.
    with alone(_POLICY.parent, "installs Debian packages", say):
        if needed := [package for package in missing if not is_present(package)]:
            with _no_services(ledger):
                _update(say)
                _run(*_APT, "install", "--yes", "--no-install-recommends", *needed, say=say)
    if still := [package for package in missing if not is_present(package)]:
        raise ToolMissing(f"{' '.join(still)}: installed, but the program is not found")
    return missing


def is_present(package: str) -> bool:
    """Tell whether what we use of a package is there."""
    if package == "postgresql":
        return any(Path("/").glob(_POSTGRESQL_PROGRAMS))
    if program := _PROGRAMS.get(package):
        return programs.find(program) is not None
    query = ["dpkg-query", "--show", "--showformat=${db:Status-Status}", package]
    with contextlib.suppress(FileNotFoundError):
        shown = subprocess.run(query, capture_output=True, text=True, check=False)
        return shown.stdout.strip() == "installed"
    return False


@contextlib.contextmanager
def _no_services(ledger: Ledger) -> Iterator[None]:
    """Keep a freshly installed package, PostgreSQL above all, from starting a server.

    The policy forbids it for every package of the machine, so it must never stay behind.
    """
    if _POLICY.exists():
        # The machine has its own.
        yield
        return
    policy = ledger.file(_POLICY)
    try:
        _POLICY.write_text("#!/bin/sh\nexit 101\n")
        _POLICY.chmod(0o755)
        yield
    finally:
        ledger.remove(policy)


def _update(say: Callable[[str], None]) -> None:
    """Read the lists of packages, after what else on this machine reads them."""
    deadline = time.monotonic() + _WAIT_SECONDS
    while True:
        try:
            return _run(*_APT, "update", say=say)
        except ToolMissing as error:
            if _LOCK_OF_UPDATES not in str(error) or time.monotonic() > deadline:
                raise
        time.sleep(_AGAIN_SECONDS)


def _run(*argv: str, say: Callable[[str], None]) -> None:
    """Run apt to its end, also when interrupted: cut off it leaves half-installed packages."""
    with subprocess.Popen(
        argv,
        env={**os.environ, "PATH": programs.search_path(), "DEBIAN_FRONTEND": "noninteractive"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # Out of reach of Ctrl-C.
        start_new_session=True,
    ) as apt:
        try:
            said, _ = apt.communicate()
        except KeyboardInterrupt:
            say("Interrupted: waiting for apt, which must not be cut off ...")
            apt.communicate()
            raise
    if apt.returncode:
        raise ToolMissing(f"{' '.join(argv)} ended with {apt.returncode}:\n{said[-3000:]}")
