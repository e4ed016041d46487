"""What the builders must know beside the spec, seen by the reconcile and passed in."""

import hashlib
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any
from urllib.parse import quote

from carthub_operator.api.resource import CartService

Manifest = dict[str, Any]

DEFAULT_PORT = 5432
DEFAULT_DATABASE = "carthub"


@dataclass(frozen=True)
class DatabaseCredentials:
    """A complete way into the database; spec and secret are already merged."""

    username: str
    password: str = field(repr=False)
    host: str
    port: int
    database: str
    # The version at the source under which this value last changed.
    version_id: str
    # RFC 3339: when the operator first saw this value.
    changed_at: str
    # What the spec said of source and database, as a hash; another spec may make another value.
    origin: str

    @property
    def place(self) -> str:
        """Return which database it is."""
        return f"{self.host}:{self.port}/{self.database}"

    def is_same_value(self, other: "DatabaseCredentials | None") -> bool:
        """Return whether the other leads into the same database by the same login."""
        return other is not None and self == replace(
            other, version_id=self.version_id, changed_at=self.changed_at, origin=self.origin
        )

    def url(self, ssl_mode: str) -> str:
        """Return what SQLAlchemy opens with psycopg2, credentials percent-encoded."""
        user, password = quote(self.username, safe=""), quote(self.password, safe="")
        host = f"[{self.host}]" if ":" in self.host else self.host
        location = f"{host}:{self.port}/{quote(self.database, safe='')}"
        return f"postgresql+psycopg2://{user}:{password}@{location}?sslmode={ssl_mode}"


class MigrationState(StrEnum):
    """How far the migrations of one image and database are."""

    NOT_STARTED = "NotStarted"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"


@dataclass(frozen=True)
class Facts:
    """What was seen of the world.

    `credentials` is None while none were ever known. `migration` speaks of the current
    `migration_key`, and is SUCCEEDED where the Deployment remembers it.
    """

    credentials: DatabaseCredentials | None
    migration: MigrationState
    # Whether the cluster knows the kind.
    serves_service_monitors: bool = False
    # Our Secret as pods use it, where that is another database than the credentials lead to.
    in_use: Manifest | None = None


def migration_key(resource: CartService, credentials: DatabaseCredentials) -> str:
    """Return ten hexadecimal digits for one image and one database.

    A migration is run once for each; the password plays no part.
    """
    return _digits(f"{resource.spec.image}\n{credentials.place}")


def database_key(resource: CartService, credentials: DatabaseCredentials) -> str:
    """Return ten hexadecimal digits for one database and how it is spoken to."""
    return _digits(f"{credentials.place}?sslmode={ssl_mode(resource)}")


def ssl_mode(resource: CartService) -> str:
    """Return libpq's sslmode: what the spec says, else as strict as its CA allows."""
    database = resource.spec.database
    return database.ssl_mode or ("verify-full" if database.ca else "require")


def _digits(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:10]
