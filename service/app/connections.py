"""The open connections of a server: how many there may be, and who must go when they are too many.

A connection that says nothing costs whoever opened it nothing. So the silent ones make room for
new ones, those that never spoke first; and only where all are busy a new one is turned away.
"""

import time
from collections.abc import Callable, Iterable
from typing import Protocol

# Between two looks at every connection: how late a deadline may be kept.
SWEEP_SECONDS = 0.5
# Who has just come may still have its first request on the way.
_GRACE_SECONDS = 1.0


class Connection(Protocol):
    """What is known of an open connection."""

    silent_since: float

    def check(self, now: float) -> None:
        """End it when its time is over."""

    def make_room(self) -> None:
        """End it for another one."""


class Connections:
    """Which connections are silent, in the order in which they fell silent."""

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._clock = clock
        self._new: dict[Connection, None] = {}
        self._idle: dict[Connection, None] = {}
        self._swept_at = clock()

    def admit(self, connection: Connection, others: int) -> bool:
        """Take one more connection beside the others, ending a silent one for it; False: full."""
        now = connection.silent_since = self._clock()
        if others >= self._most:
            silent = self._first_silent(now)
            if silent is None:
                return False
            silent.make_room()
        self._new[connection] = None
        return True

    def hear(self, connection: Connection) -> None:
        """Note that a connection speaks."""
        self._new.pop(connection, None)
        self._idle.pop(connection, None)

    def rest(self, connection: Connection) -> None:
        """Note that a connection has had its answer and may say something more."""
        connection.silent_since = self._clock()
        self._idle[connection] = None

    def sweep(self, every: Iterable[Connection]) -> None:
        """Let each connection look at the clock, once in a while."""
        now = self._clock()
        if now - self._swept_at >= SWEEP_SECONDS:
            self._swept_at = now
            for connection in list(every):
                connection.check(now)

    def _first_silent(self, now: float) -> Connection | None:
        for silent in (self._new, self._idle):
            first = next(iter(silent), None)
            if first is not None and now - first.silent_since >= _GRACE_SECONDS:
                del silent[first]
                return first
        return None
