"""Code that waits for PostgreSQL on the event loop: while it waits, the loop does other things.

A lane is a greenlet: a stack of its own that a thread leaves and comes back to. psycopg2 leaves the
waiting to a callback (psycopg.org/docs/advanced.html, "Support for coroutine libraries"), and in a
lane that callback goes back to the loop until the socket has something to say. A use case is a
plain function and knows nothing of it; what else it waits for would hold up everybody.

Lanes begin and go on in what `call_soon` calls and in tasks, never inside a callback of sockets or
timers: libuv, under uvloop, keeps pointers to its stack there, and a switch takes the stack away.
"""

import asyncio
import contextlib
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

import greenlet
import psycopg2
from psycopg2 import extensions

T = TypeVar("T")

_thread = threading.local()


class Lane(greenlet.greenlet):
    """Runs a function on the event loop that it was made on; the first `switch` starts it.

    All but `switch` and `end` is for what runs in it.
    """

    def __init__(self, run: Callable[["Lane"], None]) -> None:
        super().__init__(lambda: run(self))
        self._loop = asyncio.get_running_loop()
        self._hub = greenlet.getcurrent()
        self._socket: socket.socket | None = None
        self._is_watching = False
        self._waits = False
        self._is_over = False

    def end(self) -> None:
        """Raise GreenletExit in it, and let it wait for nothing more."""
        self._is_over = True
        self.throw()

    def sleep(self) -> None:
        """Let the loop go on until somebody calls `switch`."""
        self._hub.switch()

    def pause(self, seconds: float) -> None:
        """Let the loop go on for so long."""
        self._loop.call_later(seconds, self._switch_soon)
        self.sleep()

    def in_thread(self, work: Callable[[], T]) -> T:
        """Return what `work` returns, which may block; the thread dies with the process."""
        future: asyncio.Future[T] = self._loop.create_future()
        threading.Thread(target=self._work, args=(work, future), daemon=True).start()
        future.add_done_callback(lambda _: self._go_on())
        self.sleep()
        return future.result()

    def watch(self, opened: socket.socket) -> None:
        """Make this the socket of the lane's connection, until `unwatch`."""
        self._socket = opened

    def unwatch(self) -> None:
        """Leave the socket alone; it is about to be closed."""
        self.watch_anew()
        if self._socket is not None:
            self._loop.remove_writer(self._socket)
        self._socket = None

    def watch_anew(self) -> None:
        """Do not rely on what the loop watches: libuv stops at a broken socket without a word."""
        if self._is_watching and self._socket is not None:
            self._loop.remove_reader(self._socket)
        self._is_watching = False

    def look_soon(self) -> None:
        """Look at the connection that is waited for, whatever the loop says; from outside."""
        self._loop.call_soon(self._look)

    def wait(self, connection: extensions.connection) -> None:
        """Return once the connection has done what it was asked for."""
        has_read = False
        while (state := connection.poll()) != extensions.POLL_OK:
            if self._is_over or self._socket is None:
                raise psycopg2.OperationalError("nobody waits for it any more")
            if state == extensions.POLL_WRITE:
                self._until_writable(self._socket)
                continue
            if has_read:
                # A part of an answer, or the end of the connection.
                self.watch_anew()
            self._until_readable(self._socket)
            has_read = True

    def _until_writable(self, connected: socket.socket) -> None:
        self._loop.add_writer(connected, self._written, connected)
        self._waits = True
        self.sleep()

    def _until_readable(self, connected: socket.socket) -> None:
        if not self._is_watching:
            # Once a connection: to begin and end it for each answer costs two system calls.
            self._loop.add_reader(connected, self._look)
            self._is_watching = True
        self._waits = True
        self.sleep()

    def _switch_soon(self) -> None:
        self._loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        # A timer, a thread or the socket may come back to a lane that has been ended meanwhile.
        if not self.dead:
            self.switch()

    def _written(self, connected: socket.socket) -> None:
        self._loop.remove_writer(connected)
        self._look()

    def _look(self) -> None:
        if self._waits:
            self._waits = False
            self._switch_soon()
        else:
            # Nearly always the server's goodbye: the session finds it before its next use.
            self.watch_anew()

    def _work(self, work: Callable[[], T], future: "asyncio.Future[T]") -> None:
        try:
            found = work()
        except BaseException as error:  # noqa: BLE001 - the lane raises it
            self._from_thread(future.set_exception, error)
        else:
            self._from_thread(future.set_result, found)

    def _from_thread(self, call: Callable[[T], object], value: T) -> None:
        # The loop may have been closed meanwhile.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(call, value)


@contextlib.contextmanager
def waiting_at_most(seconds: float) -> Iterator[None]:
    """Bound each wait of this thread for a connection: libpq's own bound is not in force.

    Raises psycopg2.OperationalError in libpq's words, and the connection is closed.
    """
    before = _most_seconds()
    _thread.most_seconds = seconds
    try:
        yield
    finally:
        _thread.most_seconds = before


def _most_seconds() -> float | None:
    return getattr(_thread, "most_seconds", None)


def _wait(connection: extensions.connection) -> None:
    if (most_seconds := _most_seconds()) is not None:
        # Not even asked which greenlet this is: greenlet keeps state of each thread that asks, and
        # taking it down with the thread, one for each connection, crashed the process.
        _block(connection, time.monotonic() + most_seconds)
        return
    current = greenlet.getcurrent()
    if isinstance(current, Lane):
        current.wait(connection)
    else:
        _block(connection, None)


def _block(connection: extensions.connection, ends_at: float | None) -> None:
    while (state := connection.poll()) != extensions.POLL_OK:
        # Not select(): it knows the first 1024 descriptors only.
        poll = select.poll()
        writes = state == extensions.POLL_WRITE
        poll.register(connection.fileno(), select.POLLOUT if writes else select.POLLIN)
        left = None if ends_at is None else max(0.0, ends_at - time.monotonic()) * 1000
        if not poll.poll(left):
            raise psycopg2.OperationalError("timeout expired")


# Of the whole process: before the first connection opens.
extensions.set_wait_callback(_wait)
