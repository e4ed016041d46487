"""Connections to PostgreSQL, in autocommit: one statement, one transaction, one round trip."""

import contextlib
import time
from collections.abc import Callable, Iterator

import psycopg2
import sqlalchemy
import structlog
from sqlalchemy import event, exc, pool

from app.db import credentials, failures, statements
from app.errors import DatabaseUnavailable, InvalidSettings
from app.settings import Settings
from app.urls import parse_url

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

# A connection that rested this long is asked whether it still lives before it is used.
_IDLE_SECONDS = 5.0
_READ_ONLY = "25006"  # a primary that was demoted: only a new connection finds the new one


class Database:
    """A pool of connections."""

    def __init__(
        self, settings: Settings, note_wait_seconds: Callable[[float], object] | None = None
    ) -> None:
        self._note_wait_seconds = note_wait_seconds
        self._settings = settings
        self._credentials = credentials.Credentials(
            settings.database_url.get_secret_value(), settings.db_credentials_dir
        )
        # The URL here names the dialect only: the creator knows where to go.
        self.engine = sqlalchemy.create_engine(
            parse_url(settings.database_url.get_secret_value()),
            creator=self._connect,
            isolation_level="AUTOCOMMIT",
            poolclass=pool.QueuePool,
            pool_size=settings.db_pool_size,
            # The health check, while every thread has a connection.
            max_overflow=1,
            pool_timeout=settings.db_pool_timeout_seconds,
            pool_use_lifo=True,
            hide_parameters=True,
        )
        if settings.db_prepared_statements:
            event.listen(self.engine, "connect", _keep_plans)
        event.listen(self.engine, "checkin", _note_time)
        event.listen(self.engine, "checkout", _ask_after_a_rest)
        event.listen(self.engine, "handle_error", _leave_demoted_primary)

    @property
    def pool(self) -> pool.QueuePool:
        """The pool, for its gauges."""
        assert isinstance(self.engine.pool, pool.QueuePool)  # noqa: S101 - given above
        return self.engine.pool

    @contextlib.contextmanager
    def connection(self) -> Iterator[sqlalchemy.Connection]:
        """Lend a connection; what PostgreSQL fails to answer becomes DatabaseUnavailable.

        A statement that it refuses becomes DatabaseFailed, whose text is safe to log.
        """
        started = time.perf_counter()
        with (
            failures.without_values(),
            failures.unavailable_when_it_fails(),
            self.engine.connect() as connection,
        ):
            if self._note_wait_seconds is not None:
                self._note_wait_seconds(time.perf_counter() - started)
            yield connection

    def close(self) -> None:
        """End every connection that is not in use."""
        self.engine.dispose()

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
            log.warning("database unavailable", reason=reason)
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


def _note_time(_connection: object, record: pool.ConnectionPoolEntry) -> None:
    record.info["rested_since"] = time.monotonic()


def _ask_after_a_rest(
    connection: psycopg2.extensions.connection, record: pool.ConnectionPoolEntry, _proxy: object
) -> None:
    rested_since = record.info.get("rested_since")
    if rested_since is None or time.monotonic() - rested_since < _IDLE_SECONDS:
        return
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except psycopg2.Error as error:
        # The pool then opens another connection, and forgets every one older than this.
        raise exc.InvalidatePoolError from error


def _leave_demoted_primary(context: sqlalchemy.ExceptionContext) -> None:
    if getattr(context.original_exception, "pgcode", None) == _READ_ONLY:
        context.is_disconnect = True
