"""What PostgreSQL does when it fails, in words of our own: libpq's name users, hosts and values."""

import contextlib
import re
from collections.abc import Iterator

import structlog
from sqlalchemy import exc

from app.errors import DatabaseFailed, DatabaseUnavailable

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

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


@contextlib.contextmanager
def unavailable_when_it_fails() -> Iterator[None]:
    """Raise DatabaseUnavailable for what a later try may not meet again."""
    try:
        yield
    except (exc.OperationalError, exc.InterfaceError, exc.TimeoutError) as error:
        reason = reason_of(error)
        log.warning("database unavailable", reason=reason)
        raise DatabaseUnavailable(f"PostgreSQL does not answer: {reason}") from error
    except exc.DBAPIError as error:
        if not error.connection_invalidated:
            raise
        reason = reason_of(error)
        log.warning("database unavailable", reason=reason)
        raise DatabaseUnavailable(f"PostgreSQL ended the connection: {reason}") from error


@contextlib.contextmanager
def without_values() -> Iterator[None]:
    """Raise DatabaseFailed for a statement that was refused."""
    # psycopg2 quotes the statement with its values, which are customers and what they buy.
    try:
        yield
    except exc.DBAPIError as error:
        constraint = getattr(getattr(error.orig, "diag", None), "constraint_name", None)
        raise DatabaseFailed(" ".join(filter(None, (reason_of(error), constraint)))) from None


def is_refused_login(error: BaseException) -> bool:
    """Tell whether PostgreSQL did not accept the user or the password."""
    return bool(_REFUSED_LOGIN.search(str(error)))


def reason_of(error: Exception) -> str:
    """Return why, in words of our own."""
    for words, pattern in _REASONS.items():
        if pattern.search(str(error)):
            return words
    original = getattr(error, "orig", None)
    code = getattr(original, "pgcode", None)
    return " ".join(filter(None, (type(original or error).__name__, code)))
