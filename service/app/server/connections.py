"""The open connections of a server: how many there may be, and who must go when they are too many.

A connection that says nothing costs whoever opened it nothing. So the silent ones make room for
new ones, those first that never spoke; and only where all are busy a new one is turned away.
"""

import time
from collections import deque
from collections.abc import Callable, Collection
from typing import Protocol

# Between two looks at every connection: how late a deadline may be kept.
LOOK_SECONDS = 0.5
# Who has just come may still have its first request on the way.
_GRACE_SECONDS = 1.0
# Who has spoken may pause between two requests; a flood of newcomers shall not take its place.
_REST_SECONDS = 5.0


class Connection(Protocol):
    """What is known of an open connection."""

    silent_since: float  # infinite while it is busy
    has_spoken: bool

    def check(self, now: float) -> None:
        """End it when its time is over."""

    def make_room(self) -> None:
        """End it for another one."""


class Connections:
    """Which of a server's connections may stay."""

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._clock = clock
        self._checked_at = self._searched_at = float("-inf")
        self._silent: deque[Connection] = deque()

    def admit(self, connection: Connection, every: Collection[Connection]) -> bool:
        """Say whether it may stay among all, itself included, and end a silent one for it."""
        now = connection.silent_since = self._clock()
        if len(every) <= self._most:
            return True
        silent = self._first_silent(now, every)
        if silent is None:
            return False
        silent.make_room()
        return True

    def check(self, every: Collection[Connection]) -> None:
        """Let each connection look at the clock, twice a second however often this is called."""
        now = self._clock()
        if now - self._checked_at >= LOOK_SECONDS:
            self._checked_at = now
            for connection in list(every):
                connection.check(now)

    def _first_silent(self, now: float, every: Collection[Connection]) -> Connection | None:
        # One search serves many: a flood must not be a search for each of its connections.
        if not self._silent and now - self._searched_at >= LOOK_SECONDS:
            self._searched_at = now
            found = (connection for connection in every if _may_go(connection, now))
            self._silent.extend(sorted(found, key=lambda one: (one.has_spoken, one.silent_since)))
        while self._silent:
            first = self._silent.popleft()
            if _may_go(first, now):
                return first
        return None


def _may_go(connection: Connection, now: float) -> bool:
    patience_seconds = _REST_SECONDS if connection.has_spoken else _GRACE_SECONDS
    return connection.silent_since <= now - patience_seconds
