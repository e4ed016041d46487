"""Debian's PostgreSQL with TLS and a test authority: what Amazon RDS is to the node tier.

The same roles and database as `database`, but only encrypted connections are taken: the server
of the wheel has no OpenSSL. A cluster that this machine already runs is not touched: ours has a
data folder, a port and certificates of its own, and no Unix socket.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

from carthub_dev import packages, postgres
from carthub_dev.database import DatabaseServer
from carthub_dev.ledger import Ledger
from carthub_dev.pki import Authority
from carthub_dev.postgres import Installation

HOST_NAME = "database.carthub.test"

# What RDS sets for 4 GiB of memory, a db.t4g.medium: bytes / 9,531,392. The operator warns by it.
_MAX_CONNECTIONS = "450"
_ACCESS = "hostssl all all all scram-sha-256\n"


class TlsDatabase(DatabaseServer):
    """A PostgreSQL server that talks TLS only, on a free port."""

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

    @property
    def client_options(self) -> Mapping[str, str]:
        """Full verification: the certificate, and that it names the address."""
        return {"sslmode": "verify-full", "sslrootcert": str(self.ca_file)}

    def installation(self) -> Installation:
        """Return Debian's programs, installed where they are missing."""
        packages.ensure(packages.DATABASE, "to run PostgreSQL with TLS", ledger=self._ledger)
        return postgres.from_debian()

    def extra_settings(self, installation: Installation) -> Mapping[str, str]:
        """Write the certificates and the rule who may connect, and return their settings."""
        self.ca_file.write_text(self.ca_pem)
        server = self._authority.server("postgres", (self.address, *self._names))
        certificate, key = server.write(self.folder, "server")
        access = self.folder / "pg_hba.conf"
        access.write_text(_ACCESS)
        for file in (certificate, key, access):
            installation.give(file)
        return {
            "ssl": "on",
            "ssl_cert_file": str(certificate),
            "ssl_key_file": str(key),
            "hba_file": str(access),
        }
