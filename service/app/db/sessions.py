"""A connection that belongs to one lane or thread: no request takes it from a pool and resets it.

It is opened with the credentials of the moment, looked at before a statement could get lost in
it, and cut from outside when PostgreSQL lets a request wait beyond its deadline.
"""

import contextlib
import os
import select
import socket
import threading
import time
from collections.abc import Iterator
from types import TracebackType

import psycopg2
import sqlalchemy
from psycopg2 import extensions
from sqlalchemy import exc

from app import deadlines
from app.db import failures, lanes
from app.db.lanes import Lane
from app.errors import AnswerLost, ConnectionLost

# A server that went away without a word is noticed by asking; after this rest it is worth it.
_REST_SECONDS = 5.0
# By then the client has its 504, and a statement that ends in time has kept its connection.
_GRACE_SECONDS = 0.5


class Session:
    """The connection of one lane or thread, lent to one use case at a time; a context manager.

    What PostgreSQL fails to do leaves it as an error of ours, whose text is safe to log.
    """

    def __init__(
        self,
        engine: sqlalchemy.Engine,
        *,
        connect_seconds: float,
        most_seconds: float,
        lane: Lane | None = None,
    ) -> None:
        self._engine = engine
        self._lane = lane
        self._connect_seconds = connect_seconds
        self._most_seconds = most_seconds
        self._connection: sqlalchemy.Connection | None = None
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._poll = select.poll()
        self._used_at = 0.0
        self._uses = 0
        self._is_in_transaction = False
        self._lent_until: float | None = None

    @property
    def is_open(self) -> bool:
        """Whether there is a connection; PostgreSQL may have ended it meanwhile."""
        return self._connection is not None

    @property
    def is_lent(self) -> bool:
        """Whether a use case has it."""
        return self._lent_until is not None

    def open(self) -> sqlalchemy.Connection:
        """Return the connection, a new one if there is none or PostgreSQL has ended it."""
        if self._connection is not None:
            if self._is_alive(self._connection):
                return self._connection
            self.close()
        try:
            opened = self._connected()
        except exc.DBAPIError as error:
            raise failures.translated(error) from None
        with self._lock:
            # A descriptor of our own: the driver's may be closed, and its number used again.
            self._socket = socket.socket(fileno=os.dup(_raw(opened).fileno()))
            self._poll.register(self._socket, select.POLLIN)
        if self._lane is not None:
            self._lane.watch(self._socket)
        self._connection = opened
        return opened

    def close(self) -> None:
        """End the connection, if there is one."""
        with self._lock:
            if self._socket is not None:
                if self._lane is not None:
                    self._lane.unwatch()
                self._poll.unregister(self._socket)
                self._socket.close()
                self._socket = None
        if self._connection is not None:
            # Not close() alone: it would talk to the server once more.
            self._connection.invalidate()
            self._connection.close()
            self._connection = None

    def cut_when_overdue(self, now: float) -> None:
        """Break the connection of a use case whose deadline is past, so that it returns.

        For others than its user. No timeout of the network ends a wait for a server that is
        reached and says nothing.
        """
        with self._lock:
            until = self._lent_until
            if self._socket is not None and until is not None and now > until + _GRACE_SECONDS:
                with contextlib.suppress(OSError):
                    self._socket.shutdown(socket.SHUT_RDWR)
                if self._lane is not None:
                    self._lane.look_soon()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlalchemy.Connection]:
        """Lend the connection inside BEGIN and COMMIT; an error rolls back."""
        with self as connection:
            connection.exec_driver_sql("BEGIN")
            self._is_in_transaction = True
            try:
                yield connection
            except BaseException:
                self._roll_back(connection)
                raise
            # Of a COMMIT without an answer nobody knows whether it happened.
            self._is_in_transaction = False
            connection.exec_driver_sql("COMMIT")

    def _connected(self) -> sqlalchemy.Connection:
        if self._lane is None:
            return self._connected_here()
        # The name is looked up, and files are read.
        return self._lane.in_thread(self._connected_here)

    def _connected_here(self) -> sqlalchemy.Connection:
        # SQLAlchemy asks the server who it is in its first connection, and lets all others wait.
        with lanes.waiting_at_most(self._connect_seconds):
            return self._engine.connect()

    def _roll_back(self, connection: sqlalchemy.Connection) -> None:
        try:
            connection.exec_driver_sql("ROLLBACK")
        except exc.SQLAlchemyError:
            # Kept, it would make the next use case part of this transaction.
            self.close()

    def __enter__(self) -> sqlalchemy.Connection:
        if not self._uses:
            # From before the look at whether it lives, which may be what hangs.
            self._lent_until = deadlines.ends_at(self._most_seconds)
            try:
                self.open()
            except BaseException:
                self._lent_until = None
                raise
        # Inside another use it is that one's connection: a new one would leave its transaction.
        if self._connection is None:
            raise ConnectionLost("the connection ended inside a transaction")
        self._uses += 1
        return self._connection

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._uses -= 1
        is_in_transaction = self._is_in_transaction
        if not self._uses:
            self._is_in_transaction = False
            self._lent_until = None
            self._used_at = time.monotonic()
        if isinstance(error, exc.SQLAlchemyError | psycopg2.Error):
            told = failures.translated(error, is_cut_off=self._is_cut_off(error))
            if isinstance(told, ConnectionLost | AnswerLost):
                self.close()
            if isinstance(told, AnswerLost) and is_in_transaction:
                told = ConnectionLost(str(told))
            # None: psycopg2 quotes the statement with its values.
            raise told from None

    def _is_cut_off(self, error: exc.SQLAlchemyError | psycopg2.Error) -> bool:
        if isinstance(error, exc.SQLAlchemyError):
            return isinstance(error, exc.DBAPIError) and error.connection_invalidated
        if self._connection is None:
            # The rollback has found it broken.
            return True
        broken = self._connection.connection.dbapi_connection
        return self._connection.dialect.is_disconnect(error, broken, None)  # type: ignore[arg-type] # PEP 249 has no type of its own

    def _is_alive(self, connection: sqlalchemy.Connection) -> bool:
        # Bytes that nobody asked for: nearly always the server's goodbye.
        is_quiet = not self._poll.poll(0)
        if is_quiet and time.monotonic() - self._used_at < _REST_SECONDS:
            return True
        if self._lane is not None:
            self._lane.watch_anew()
        try:
            with _raw(connection).cursor() as cursor:
                cursor.execute("SELECT 1")
        except psycopg2.Error:
            return False
        return True


def _raw(connection: sqlalchemy.Connection) -> extensions.connection:
    raw = connection.connection.driver_connection
    assert isinstance(raw, extensions.connection)  # noqa: S101 - the engine's dialect is psycopg2
    return raw
