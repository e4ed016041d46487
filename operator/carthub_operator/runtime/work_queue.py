"""The work queue: each key once, what serves before what does not yet, failures ever later."""

import heapq
import itertools
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum

from carthub_operator.api import names
from carthub_operator.api.resource import Key, was_told
from carthub_operator.desired.facts import Manifest

FIRST_RETRY_SECONDS = 0.5
LAST_RETRY_SECONDS = 120.0
_FEW = 64


class Urgency(IntEnum):
    """Which of two due keys comes first."""

    NEWS = 0
    # Of a CartService that was never told anything. Hundreds applied at once take minutes, and
    # hold up nothing that is wrong with those that serve.
    FIRST_PASS = 1
    ROUTINE = 2

    @classmethod
    def of_news(cls, live: Manifest) -> "Urgency":
        """Return how urgent it is that an object is not as it was known."""
        is_new = live["kind"] == names.KIND and not was_told(live.get("status") or {})
        return cls.FIRST_PASS if is_new else cls.NEWS


@dataclass(order=True)
class _Entry:
    urgency: Urgency
    due_at: float
    order: int
    key: Key = field(compare=False)
    # When it is due, or the queue has been resumed.
    waiting_since: float = field(compare=False)


class WorkQueue:
    """Keys that need a pass; one key is never handed out twice at a time.

    `on_taken` is told how many seconds a key has waited since it was due. `monotonic` and `jitter`
    (0 to 1) are parameters for tests.
    """

    def __init__(
        self,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,  # noqa: S311 - spreads load, hides nothing
        on_taken: Callable[[float], None] = lambda _: None,
    ) -> None:
        self._monotonic = monotonic
        self._jitter = jitter
        self._on_taken = on_taken
        self._changed = threading.Condition()
        self._order = itertools.count()
        # Due now, by urgency; due later, by time. An entry counts while it is the wanted one.
        self._ready: list[_Entry] = []
        self._later: list[tuple[float, int, _Entry]] = []
        self._wanted: dict[Key, _Entry] = {}
        # Since when, and as how urgent each was taken.
        self._working: dict[Key, tuple[float, Urgency]] = {}
        self._failures: dict[Key, int] = {}
        self._moved_at = monotonic()
        self._is_closed = False
        self._is_paused = False

    def add(self, key: Key, *, urgency: Urgency = Urgency.NEWS, after_seconds: float = 0.0) -> None:
        """Ask for a pass; of several wishes for one key the first to be due counts."""
        with self._changed:
            self._add(key, urgency, self._monotonic() + after_seconds)

    def take(self) -> Key | None:
        """Return the next key that is due, waiting for it; None once the queue is closed."""
        with self._changed:
            while not self._is_closed:
                wait_seconds = self._move_due()
                entry = None if self._is_paused else self._pop_ready()
                if entry is not None:
                    del self._wanted[entry.key]
                    now = self._moved_at = self._monotonic()
                    self._working[entry.key] = now, entry.urgency
                    self._on_taken(now - entry.waiting_since)
                    return entry.key
                self._changed.wait(wait_seconds)
            return None

    def done(self, key: Key) -> None:
        """Say that a pass ended well."""
        with self._changed:
            self._ended(key)
            self._failures.pop(key, None)
            self._changed.notify_all()

    def failed(self, key: Key) -> float:
        """Say that a pass failed; return in how many seconds it is tried again, as urgently."""
        with self._changed:
            _, urgency = self._working[key]
            count = self._failures.get(key, 0)
            self._failures[key] = count + 1
            delay = min(FIRST_RETRY_SECONDS * 2.0 ** min(count, 30), LAST_RETRY_SECONDS)
            delay *= 0.75 + 0.5 * self._jitter()
            self._ended(key)
            self._add(key, urgency, self._monotonic() + delay)
            self._changed.notify_all()
            return delay

    def close(self) -> None:
        """Hand out no more keys."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def pause(self) -> None:
        """Hand out no keys until `resume`."""
        with self._changed:
            self._is_paused = True

    def resume(self) -> None:
        """Hand out keys again; those that waited are due from now on."""
        with self._changed:
            self._is_paused = False
            for entry in self._wanted.values():
                entry.waiting_since = max(entry.due_at, self._monotonic())
            self._changed.notify_all()

    def oldest_seconds(self) -> float:
        """Return how long the key that is due or worked on the longest has been so.

        While the queue is paused nothing is due.
        """
        with self._changed:
            now = self._monotonic()
            return max(self._due_seconds(now), self._working_seconds(now))

    def stuck_seconds(self) -> float:
        """Return for how long nothing has moved: no pass ended, and none that is due begun.

        A long queue whose keys wait for their turn is not stuck.
        """
        with self._changed:
            now = self._monotonic()
            return max(
                min(self._due_seconds(now), now - self._moved_at), self._working_seconds(now)
            )

    def __len__(self) -> int:
        with self._changed:
            return len(self._wanted)

    def _due_seconds(self, now: float) -> float:
        wanted = [] if self._is_paused else self._wanted.values()
        return max((now - entry.waiting_since for entry in wanted), default=0.0)

    def _working_seconds(self, now: float) -> float:
        return max((now - since for since, _ in self._working.values()), default=0.0)

    def _ended(self, key: Key) -> None:
        self._working.pop(key, None)
        self._moved_at = self._monotonic()

    def _add(self, key: Key, urgency: Urgency, due_at: float) -> None:
        known, now = self._wanted.get(key), self._monotonic()
        if known is not None and (max(known.due_at, now), known.urgency) <= (
            max(due_at, now),
            urgency,
        ):
            return
        entry = _Entry(urgency, due_at, next(self._order), key, due_at)
        self._wanted[key] = entry
        heapq.heappush(self._later, (due_at, entry.order, entry))
        if len(self._later) > 2 * len(self._wanted) + _FEW:
            # Wishes that others have overtaken would stay until their time, which may be days.
            self._later = [it for it in self._later if self._wanted.get(it[2].key) is it[2]]
            heapq.heapify(self._later)
        self._changed.notify()

    def _move_due(self) -> float | None:
        """Move what has become due; return the seconds until the next does, None: nothing."""
        now = self._monotonic()
        while self._later and self._later[0][0] <= now:
            entry = heapq.heappop(self._later)[2]
            if self._wanted.get(entry.key) is entry:
                heapq.heappush(self._ready, entry)
        return self._later[0][0] - now if self._later else None

    def _pop_ready(self) -> _Entry | None:
        """Return the first due entry of a key that nobody works on."""
        busy: list[_Entry] = []
        found = None
        while self._ready and found is None:
            entry = heapq.heappop(self._ready)
            if self._wanted.get(entry.key) is not entry:
                continue
            if entry.key in self._working:
                busy.append(entry)
            else:
                found = entry
        for entry in busy:
            heapq.heappush(self._ready, entry)
        return found
