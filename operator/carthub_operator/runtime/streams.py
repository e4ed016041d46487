"""Whether the watch streams live: when each was heard of last, and which began anew."""

import threading
import time
from collections.abc import Callable
from http import HTTPStatus

import structlog

from carthub_operator.runtime.session import Path

_log = structlog.get_logger()


class Streams:
    """What is known of the watch streams; safe to use from several threads.

    `on_listed` is called with the path of a stream that begins: nobody tells what was before.
    """

    def __init__(
        self,
        *,
        on_listed: Callable[[Path], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._on_listed = on_listed
        self._monotonic = monotonic
        self._lock = threading.Condition()
        self._heard_at: dict[Path, float] = {}
        self._tried_at: dict[Path, float] = {}
        self._listed: set[Path] = set()
        self._status: dict[Path, int] = {}

    def heard(self, path: Path) -> None:
        """Note that something came through a stream: news, or a sign of life."""
        with self._lock:
            self._heard_at[path] = self._monotonic()

    def tried(self, path: Path) -> None:
        """Note that a stream is being opened."""
        with self._lock:
            self._tried_at[path] = self._monotonic()

    def answered(self, path: Path, status: int) -> None:
        """Note how a stream was answered, and log where that is news; 0: not at all."""
        with self._lock:
            before = self._status.get(path, HTTPStatus.OK)
            self._status[path] = status
        if status == before:
            return
        if status == HTTPStatus.OK:
            _log.info("watch-resumed", path=path)
        else:
            _log.warning("watch-failed", path=path, status=status)

    def listed(self, path: Path) -> None:
        """Note that a stream begins with what there is now."""
        # First: what is listed once nobody waits any more comes after it.
        self._on_listed(path)
        with self._lock:
            self._listed.add(path)
            self._lock.notify_all()

    def wait_listed(self, path: Path, timeout_seconds: float) -> None:
        """Wait until a stream has begun once, but no longer than that."""
        with self._lock:
            self._lock.wait_for(lambda: path in self._listed, timeout_seconds)

    def count(self) -> int:
        """Return how many streams are open, or were until a moment ago."""
        with self._lock:
            return sum(self._status.get(path) == HTTPStatus.OK for path in self._tried_at)

    def silent_seconds(self) -> dict[Path, float]:
        """Return for how long nothing has come through each stream."""
        now = self._monotonic()
        with self._lock:
            return {
                path: now - self._heard_at.get(path, tried_at)
                for path, tried_at in self._tried_at.items()
            }

    def idle_seconds(self) -> float:
        """Return for how long a stream has neither been heard of nor opened again."""
        now = self._monotonic()
        with self._lock:
            last = [max(at, self._heard_at.get(path, at)) for path, at in self._tried_at.items()]
        return max((now - at for at in last), default=0.0)

    def forget(self) -> None:
        """Forget every stream: kopf begins anew. What began once counts as begun."""
        with self._lock:
            self._heard_at.clear()
            self._tried_at.clear()
