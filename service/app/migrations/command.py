"""Bring the database to this image's revision, safe to run twice, at once, and after a rollback."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import sqlalchemy
import structlog
from alembic import command, config, script
from alembic.runtime.migration import MigrationContext
from psycopg2.extensions import quote_ident
from sqlalchemy import exc, text

from app.db import credentials, failures
from app.errors import MigrationFailed
from app.migrations import compatibility
from app.migrations.compatibility import REVISION
from app.settings import Settings

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

# Any number that nothing else in this database locks.
_LOCK = 7_224_883_101
# A migration waits this long for a table that a long transaction holds, and then gives way to
# the requests that queue up behind it.
_LOCK_TIMEOUT = "10s"


def alembic_config(connection: sqlalchemy.Connection | None = None) -> config.Config:
    """Return Alembic's configuration for the migrations of this package."""
    settings = config.Config()
    settings.set_main_option("script_location", str(Path(__file__).parent))
    settings.set_main_option("path_separator", "os")
    settings.attributes["connection"] = connection
    return settings


def migrate(settings: Settings) -> None:
    """Upgrade to this image's revision, or accept a newer database that still serves it."""
    with _owner_connection(settings) as connection:
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _LOCK})
        # Not before: it would end the wait for another migration too.
        connection.execute(text(f"SET lock_timeout = '{_LOCK_TIMEOUT}'"))
        connection.commit()
        current = MigrationContext.configure(connection).get_current_revision()
        connection.commit()
        if current is not None and current not in _known_revisions():
            _accept_newer(connection, current)
        elif current == REVISION:
            log.info("schema up to date", revision=REVISION)
        else:
            command.upgrade(alembic_config(connection), "head")
            connection.commit()
            log.info("schema migrated", previous=current, revision=REVISION)


def downgrade(settings: Settings, revision: str) -> None:
    """Take migrations back, for tests and for a person who knows why."""
    with _owner_connection(settings) as connection:
        command.downgrade(alembic_config(connection), revision)
        connection.commit()


def _known_revisions() -> set[str]:
    scripts = script.ScriptDirectory.from_config(alembic_config())
    return {found.revision for found in scripts.walk_revisions()}


def _accept_newer(connection: sqlalchemy.Connection, current: str) -> None:
    served = compatibility.is_served(connection)
    connection.commit()
    if not served:
        raise MigrationFailed(
            f"the database is at revision {current}, which no longer serves {REVISION} of this"
            " image: deploy a newer image, or restore the database"
        )
    log.info("schema is newer and still serves this image", current=current, revision=REVISION)


@contextlib.contextmanager
def _owner_connection(settings: Settings) -> Iterator[sqlalchemy.Connection]:
    """Lend a connection that acts as the owner of the tables, whoever logs in."""
    login = credentials.Credentials(
        settings.database_url.get_secret_value(), settings.db_credentials_dir
    )
    engine = sqlalchemy.create_engine(
        "postgresql+psycopg2://",
        creator=lambda: credentials.open_connection(
            login,
            connect_timeout_seconds=settings.db_connect_timeout_seconds,
            options="-c timezone=UTC",
        ),
        poolclass=sqlalchemy.NullPool,
        hide_parameters=True,
    )
    with failures.unavailable_when_it_fails(), engine.connect() as connection:
        _become(connection, settings.db_owner_role)
        yield connection


def _become(connection: sqlalchemy.Connection, owner: str) -> None:
    raw = connection.connection.driver_connection
    role = quote_ident(owner, raw)
    user, database = connection.execute(text("SELECT session_user, current_database()")).one()
    exists = connection.execute(
        text("SELECT 1 FROM pg_roles WHERE rolname = :owner"), {"owner": owner}
    ).first()
    login = quote_ident(user, raw)
    remedy = [] if exists else [f"CREATE ROLE {role} NOLOGIN;"]
    try:
        connection.execute(text(f"SET ROLE {role}"))
        connection.commit()
    except (exc.ProgrammingError, exc.DataError):
        remedy.append(f"GRANT {role} TO {login};")
        remedy.append(f"GRANT USAGE, CREATE ON SCHEMA public TO {role};")
        raise MigrationFailed(
            f"the login {user} is not a member of the role {owner}, which owns the tables."
            f" Run as an administrator of the database {database}: {' '.join(remedy)}"
        ) from None
    if not connection.scalar(text("SELECT has_schema_privilege('public', 'CREATE')")):
        raise MigrationFailed(
            f"the role {owner} may not create tables. Run as an administrator of the database"
            f" {database}: GRANT USAGE, CREATE ON SCHEMA public TO {role};"
        )
    connection.commit()
