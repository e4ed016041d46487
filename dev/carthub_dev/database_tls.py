"""Debian's PostgreSQL with TLS and a test authority: what Amazon RDS is to the node tier.

The same roles and database as `database`, but only encrypted connections are taken: the server
of the wheel has no OpenSSL. A cluster that this machine already runs is not touched: ours has a
data folder, a port and certificates of its own, and no Unix socket.
"""

import contextlib
import os
import pwd
import re
import signal as signals
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

import psycopg2
from psycopg2 import extensions

from carthub_dev import packages, ports
from carthub_dev.database import ADMIN, DATABASE, DatabaseServer
from carthub_dev.errors import PlatformError, ToolMissing
from carthub_dev.ledger import Ledger
from carthub_dev.pki import Authority, write_secret
from carthub_dev.processes import Process

HOST_NAME = "database.carthub.test"

_USER = "postgres"
_INSTALLED = "usr/lib/postgresql/*/bin"
# What a small RDS instance allows; the operator's warning about pools is measured by it.
_MAX_CONNECTIONS = "100"
_ACCESS = "hostssl all all all scram-sha-256\n"


class TlsDatabase(DatabaseServer):
    """A PostgreSQL server that talks TLS only, on a free port; a context manager."""

    def __init__(
        self,
        ledger: Ledger,
        *,
        address: str = "127.0.0.1",
        names: Iterable[str] = (HOST_NAME,),
        settings: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(
            ledger,
            address=address,
            settings={"max_connections": _MAX_CONNECTIONS, **(settings or {})},
        )
        self._names = tuple(names)
        self._authority = Authority.create("Carthub test database authority")

    @property
    def host(self) -> str:
        """The address it listens on; its certificate names it, so verify-full works."""
        return self.address

    @property
    def ca_pem(self) -> str:
        """The certificate that clients must trust."""
        return self._authority.certificate

    @property
    def ca_file(self) -> Path:
        """The same in a file, for clients on this machine."""
        return self.folder / "ca.crt"

    def url_for(self, user: str, password: str, *, database: str = DATABASE) -> str:
        """Return a URL as SQLAlchemy takes it, for a client on this machine."""
        plain = super().url_for(user, password, database=database)
        return f"{plain}?sslmode=verify-full&sslrootcert={quote(str(self.ca_file), safe='')}"

    def drop_database(self, url: str) -> None:
        """Drop a database of `fresh_database`, ending the sessions it still has."""
        super().drop_database(url.partition("?")[0])

    def _create(self) -> None:
        packages.ensure(packages.DATABASE, "to run PostgreSQL with TLS")
        user = _user()
        # 0711: the server passes through to what is its own, and lists nothing.
        self.folder = self._ledger.make_directory("postgres-tls", mode=0o711)
        for name in ("data", "home"):
            (self.folder / name).mkdir(mode=0o700)
            _give(self.folder / name, user)
        self._write_certificates(user)
        binaries = _binaries()
        self._initialise(binaries, user)
        self._process, _ = ports.start_on_free_port(
            self.address,
            lambda port: self._process_on(port, binaries),
            self._wait_until_ready,
        )
        self._create_roles()

    def _process_on(self, port: int, binaries: Path) -> Process:
        self.port = port
        user = _user()
        settings = {**self._settings, "listen_addresses": self.address, "port": str(port)}
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
            uid=user.pw_uid,
            gid=user.pw_gid,
            # Fast: SIGTERM would wait for clients that are still connected.
            stop_signal=signals.SIGINT,
        )

    def _write_certificates(self, user: pwd.struct_passwd) -> None:
        self.ca_file.write_text(self.ca_pem)
        server = self._authority.server("postgres", (self.address, *self._names))
        certificate, key = server.write(self.folder, "server")
        access = self.folder / "pg_hba.conf"
        access.write_text(_ACCESS)
        for file in (certificate, key, access):
            _give(file, user)
        self._settings |= {
            "ssl": "on",
            "ssl_cert_file": str(certificate),
            "ssl_key_file": str(key),
            "hba_file": str(access),
        }

    def _initialise(self, binaries: Path, user: pwd.struct_passwd) -> None:
        password_file = write_secret(self.folder / "password", self._admin_password)
        _give(password_file, user)
        # Measured at 0.7 s to 1.5 s: a ready-made copy in the cache would not pay.
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
            user=user.pw_uid,
            group=user.pw_gid,
            extra_groups=[],
            env=self._environment(),
            cwd=self.folder / "home",
            capture_output=True,
            text=True,
            check=False,
        )
        password_file.unlink()
        if initialised.returncode:
            raise PlatformError(f"initdb failed: {initialised.stdout}{initialised.stderr}")

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
                sslmode="verify-full",
                sslrootcert=str(self.ca_file),
            )
        ) as connection:
            connection.autocommit = True
            yield connection


def _user() -> pwd.struct_passwd:
    """Return the account that Debian's package makes for the server."""
    try:
        return pwd.getpwnam(_USER)
    except KeyError as error:
        raise ToolMissing(f"user {_USER} is missing: Debian's postgresql makes it") from error


def _binaries() -> Path:
    """Return the folder of the newest installed PostgreSQL's programs."""
    found = [path for path in Path("/").glob(_INSTALLED) if (path / "postgres").exists()]
    if not found:
        raise ToolMissing(f"/{_INSTALLED} has no PostgreSQL: install postgresql")
    return max(found, key=lambda path: int(re.sub(r"\D", "", path.parent.name) or 0))


def _give(path: Path, user: pwd.struct_passwd) -> None:
    os.chown(path, user.pw_uid, user.pw_gid)
