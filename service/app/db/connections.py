"""The connections of the process: one for each lane or thread that asks, in autocommit.

One statement, one transaction, one round trip. Lanes come and go with `Workers`.
"""

import time
from contextlib import AbstractContextManager

import greenlet
import psycopg2
import sqlalchemy
from sqlalchemy import event, pool

from app.db import credentials, statements
from app.db.lanes import Lane
from app.db.sessions import Session
from app.errors import DatabaseUnavailable, InvalidSettings
from app.settings import Settings
from app.urls import parse_url


class Database:
    """Lends each lane and each thread its own connection."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._credentials = credentials.Credentials(
            settings.database_url.get_secret_value(), settings.db_credentials_dir
        )
        # The URL here names the dialect only: the creator knows where to go.
        self.engine = sqlalchemy.create_engine(
            parse_url(settings.database_url.get_secret_value()),
            creator=self._connect,
            isolation_level="AUTOCOMMIT",
            poolclass=pool.NullPool,
            pool_reset_on_return=None,
            hide_parameters=True,
        )
        if settings.db_prepared_statements:
            event.listen(self.engine, "connect", _keep_plans)
        self._sessions: dict[greenlet.greenlet, Session] = {}

    def session(self) -> Session:
        """Return the session of the calling lane or thread; it opens when it is first entered."""
        current = greenlet.getcurrent()
        found = self._sessions.get(current)
        if found is None:
            lane = current if isinstance(current, Lane) else None
            found = Session(
                self.engine,
                connect_seconds=self._settings.db_connect_timeout_seconds,
                most_seconds=self._settings.request_deadline_seconds,
                lane=lane,
            )
            self._sessions[current] = found
        return found

    def connection(self) -> AbstractContextManager[sqlalchemy.Connection]:
        """Lend the caller's connection; what PostgreSQL fails to do becomes an error of ours."""
        return self.session()

    def transaction(self) -> AbstractContextManager[sqlalchemy.Connection]:
        """Lend it inside BEGIN and COMMIT, for what takes more than one statement."""
        return self.session().transaction()

    def size(self) -> int:
        """Return how many connections the workers keep."""
        return self._settings.db_pool_size

    def checked_out(self) -> int:
        """Return how many connections are in use now."""
        return sum(session.is_lent for session in list(self._sessions.values()))

    def overflow(self) -> int:
        """Return how many connections are open beyond the size; negative: not yet opened."""
        return sum(session.is_open for session in list(self._sessions.values())) - self.size()

    def cut_overdue(self) -> None:
        """Break the connections that have been waited for beyond the request's deadline."""
        now = time.monotonic()
        for session in list(self._sessions.values()):
            session.cut_when_overdue(now)

    def close(self) -> None:
        """End every connection; nobody uses one any more."""
        for session in self._sessions.values():
            session.close()
        self._sessions.clear()

    def _connect(self) -> psycopg2.extensions.connection:
        try:
            return credentials.open_connection(
                self._credentials,
                connect_timeout_seconds=self._settings.db_connect_timeout_seconds,
                options=_session_options(self._settings),
            )
        except (InvalidSettings, OSError, UnicodeDecodeError) as error:
            # The variable was checked at the start: it is the file, and the next one may be well.
            reason = f"credentials file: {type(error).__name__}"
            raise DatabaseUnavailable(f"PostgreSQL cannot be asked: {reason}") from None


def _session_options(settings: Settings) -> str:
    options = {
        "statement_timeout": str(int(settings.db_statement_timeout_seconds * 1000)),
        "timezone": "UTC",
    }
    if settings.db_prepared_statements:
        # Plans that do not depend on the values: they are made once, not five times more.
        options["plan_cache_mode"] = "force_generic_plan"
    return " ".join(f"-c {name}={value}" for name, value in options.items())


def _keep_plans(_connection: object, record: pool.ConnectionPoolEntry) -> None:
    statements.keep_plans(record.info)
