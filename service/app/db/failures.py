"""What went wrong in PostgreSQL, in words of our own: libpq's name users, hosts and values."""

import contextlib
import re
from collections.abc import Iterator

import psycopg2
from sqlalchemy import exc

from app import errors
from app.errors import CarthubError, DatabaseUnavailable

# libpq gives no SQLSTATE for what happens before a session: it is known by its words.
_REFUSED_LOGIN = re.compile(r"authentication failed|role .* does not exist|not permitted to log in")
_LOGIN_REFUSED = "login refused"
_NONE_LEFT = "too many connections"
_REASONS = {
    _LOGIN_REFUSED: _REFUSED_LOGIN,
    "connection refused": re.compile(r"Connection refused"),
    "starting or stopping": re.compile(r"the database system is"),
    "host unknown": re.compile(r"could not translate host name"),
    "no answer in time": re.compile(r"timeout expired|timed out"),
    "certificate not trusted": re.compile(r"certificate verify failed|root certificate file"),
    "database missing": re.compile(r"database .* does not exist"),
    _NONE_LEFT: re.compile(r"too many (clients|connections)|remaining connection slots"),
    "only read-only servers": re.compile(r"session is read-only"),
}

_READ_ONLY = "25006"  # a primary that was demoted: only a new connection finds the new one
# A function, table or type that this version needs.
_UNDEFINED = {"42883", "42P01", "42704"}


def translated(
    error: exc.SQLAlchemyError | psycopg2.Error, *, is_cut_off: bool = False
) -> CarthubError:
    """Return the error of ours that says what a caller may do about it.

    `is_cut_off` says that the connection broke under a statement.
    """
    original = getattr(error, "orig", None) or error
    code = getattr(original, "pgcode", None)
    reason = reason_of(error)
    if code in _UNDEFINED:
        return errors.NotMigrated(f"the database lacks what this version needs: {reason}")
    if code == _READ_ONLY:
        return errors.ConnectionLost(f"PostgreSQL ended the connection: {reason}")
    if is_cut_off:
        # psycopg2 hands on none of the server's last words, 57P01 neither, from which one could
        # tell that the statement was rolled back.
        return errors.AnswerLost(f"PostgreSQL ended the connection: {reason}")
    if isinstance(original, psycopg2.OperationalError | psycopg2.InterfaceError):
        return _REFUSED_CONNECTIONS.get(reason, DatabaseUnavailable)(
            f"PostgreSQL does not answer: {reason}"
        )
    # Not its text: psycopg2 quotes the statement with its values.
    diagnosis = getattr(original, "diag", None)
    constraint = getattr(diagnosis, "constraint_name", None)
    return errors.DatabaseFailed(" ".join(filter(None, (reason, constraint))))


_REFUSED_CONNECTIONS: dict[str, type[DatabaseUnavailable]] = {
    _LOGIN_REFUSED: errors.LoginRefused,
    _NONE_LEFT: errors.NoConnectionLeft,
}


@contextlib.contextmanager
def unavailable_when_it_fails() -> Iterator[None]:
    """Raise DatabaseUnavailable for what a later try may not meet again, and leave the rest."""
    try:
        yield
    except exc.DBAPIError as error:
        is_passing = isinstance(error, exc.OperationalError | exc.InterfaceError)
        if not is_passing and not error.connection_invalidated:
            raise
        raise translated(error, is_cut_off=error.connection_invalidated) from error


def is_refused_login(error: BaseException) -> bool:
    """Tell whether PostgreSQL did not accept the user or the password."""
    return bool(_REFUSED_LOGIN.search(str(error)))


def reason_of(error: Exception) -> str:
    """Return why, in words of our own."""
    for words, pattern in _REASONS.items():
        if pattern.search(str(error)):
            return words
    original = getattr(error, "orig", None) or error
    code = getattr(original, "pgcode", None)
    return " ".join(filter(None, (type(original).__name__, code)))
