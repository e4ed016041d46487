"""Connections to PostgreSQL whose credentials may change at any moment.

Every new connection reads the credentials anew: a rotation needs no restart. Every wait is
bounded, because a pool that pings hangs for a minute when the network swallows packets.
"""

import contextlib
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2
import sqlalchemy
import structlog
from sqlalchemy import event, exc, pool
from sqlalchemy.engine import URL

from app.errors import DatabaseFailed, DatabaseUnavailable, InvalidSettings
from app.settings import Settings
from app.urls import parse_url

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

# A connection that rested this long is asked whether it still lives before it is used.
_IDLE_SECONDS = 5.0
_READ_ONLY = "25006"  # a primary that was demoted: only a new connection finds the new one
# libpq gives no SQLSTATE for a refused login: 28P01 and 28000 are known by their words.
_REFUSED_LOGIN = re.compile(r"authentication failed|role .* does not exist|not permitted to log in")
_REASONS = {
    "login refused": _REFUSED_LOGIN,
    "connection refused": re.compile(r"Connection refused"),
    "host unknown": re.compile(r"could not translate host name"),
    "no answer in time": re.compile(r"timeout expired|timed out"),
    "certificate not trusted": re.compile(r"certificate verify failed|root certificate file"),
    "database missing": re.compile(r"database .* does not exist"),
    "too many connections": re.compile(
        r"too many (clients|connections)|remaining connection slots"
    ),
    "only read-only servers": re.compile(r"session is read-only"),
}


@dataclass(frozen=True)
class Credentials:
    """Where the URL comes from: a file that is replaced under us, else a fixed value."""

    fixed_url: str
    folder: Path | None

    def url(self) -> URL:
        """Return the URL as it is now, for the driver psycopg2."""
        text = self.fixed_url
        if self.folder is not None:
            with contextlib.suppress(FileNotFoundError):
                text = (self.folder / "DATABASE_URL").read_text("utf-8").strip()
        return parse_url(text)


class Database:
    """A pool of connections in autocommit: one statement, one transaction, one round trip."""

    def __init__(
        self, settings: Settings, note_wait_seconds: Callable[[float], object] | None = None
    ) -> None:
        self._note_wait_seconds = note_wait_seconds
        self._settings = settings
        self._credentials = Credentials(
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
            _without_values(),
            unavailable_when_it_fails(),
            self.engine.connect() as connection,
        ):
            if self._note_wait_seconds is not None:
                self._note_wait_seconds(time.perf_counter() - started)
            yield connection

    def close(self) -> None:
        """End every connection that is not in use."""
        self.engine.dispose()

    def _connect(self) -> psycopg2.extensions.connection:
        timeout_ms = int(self._settings.db_statement_timeout_seconds * 1000)
        try:
            return open_connection(
                self._credentials,
                connect_timeout_seconds=self._settings.db_connect_timeout_seconds,
                options=f"-c statement_timeout={timeout_ms} -c timezone=UTC",
            )
        except (InvalidSettings, OSError, UnicodeDecodeError) as error:
            # The variable was checked at the start: it is the file, and the next one may be well.
            reason = f"credentials file: {type(error).__name__}"
            log.warning("database unavailable", reason=reason)
            raise DatabaseUnavailable(f"PostgreSQL cannot be asked: {reason}") from None


@contextlib.contextmanager
def unavailable_when_it_fails() -> Iterator[None]:
    """Raise DatabaseUnavailable for what a later try may not meet again."""
    try:
        yield
    except (exc.OperationalError, exc.InterfaceError, exc.TimeoutError) as error:
        reason = _reason(error)
        log.warning("database unavailable", reason=reason)
        raise DatabaseUnavailable(f"PostgreSQL does not answer: {reason}") from error
    except exc.DBAPIError as error:
        if not error.connection_invalidated:
            raise
        reason = _reason(error)
        log.warning("database unavailable", reason=reason)
        raise DatabaseUnavailable(f"PostgreSQL ended the connection: {reason}") from error


@contextlib.contextmanager
def _without_values() -> Iterator[None]:
    # psycopg2 quotes the statement with its values, which are customers and what they buy.
    try:
        yield
    except exc.DBAPIError as error:
        constraint = getattr(getattr(error.orig, "diag", None), "constraint_name", None)
        raise DatabaseFailed(" ".join(filter(None, (_reason(error), constraint)))) from None


def open_connection(
    credentials: Credentials, *, connect_timeout_seconds: int, options: str
) -> psycopg2.extensions.connection:
    """Log in with the credentials of now; a refused login is tried once more with newer ones."""
    parameters = {
        "application_name": "carthub",
        "connect_timeout": connect_timeout_seconds,
        # Without these a connection whose packets are dropped hangs for many minutes.
        "tcp_user_timeout": connect_timeout_seconds * 1000 + 2000,
        "keepalives_idle": 5,
        "keepalives_interval": 2,
        "keepalives_count": 3,
        "target_session_attrs": "read-write",
        "options": options,
    }
    try:
        return _log_in(credentials, parameters)
    except psycopg2.OperationalError as error:
        if not is_refused_login(error):
            raise
    log.info("database login refused, reading the credentials again")
    return _log_in(credentials, parameters)


def is_refused_login(error: BaseException) -> bool:
    """Tell whether PostgreSQL did not accept the user or the password."""
    return bool(_REFUSED_LOGIN.search(str(error)))


def _log_in(credentials: Credentials, parameters: dict[str, Any]) -> psycopg2.extensions.connection:
    opened: psycopg2.extensions.connection = psycopg2.connect(
        **_arguments(credentials.url(), parameters)
    )
    return opened


def _arguments(url: URL, parameters: dict[str, Any]) -> dict[str, Any]:
    # What the URL says wins over ours, its options are added to ours.
    given: dict[str, Any] = url.translate_connect_args(username="user", database="dbname")
    query = {
        name: value if isinstance(value, str) else value[-1] for name, value in url.query.items()
    }
    options = " ".join(filter(None, (parameters["options"], query.pop("options", ""))))
    return {**parameters, **given, **query, "options": options}


def _reason(error: Exception) -> str:
    # In words of our own: messages of libpq name users and hosts.
    for words, pattern in _REASONS.items():
        if pattern.search(str(error)):
            return words
    original = getattr(error, "orig", None)
    code = getattr(original, "pgcode", None)
    return " ".join(filter(None, (type(original or error).__name__, code)))


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
