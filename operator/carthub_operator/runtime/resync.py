"""The resync: everything listed at the start, and then now and then for what no watch has told.

kopf makes no DELETED for what vanished while it was not watching, and a watch may stay silent for
a minute before anybody notices. A resync also puts every CartService on the queue once. No pass is
made before the first: a child that was not seen yet would be taken for missing.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import structlog

from carthub_operator import kinds
from carthub_operator.api import names
from carthub_operator.api.resource import Key
from carthub_operator.desired.facts import Manifest
from carthub_operator.errors import CarthubError, NotFound
from carthub_operator.kinds import Kind
from carthub_operator.runtime.cache import ObjectCache
from carthub_operator.runtime.known_kinds import KnownKinds
from carthub_operator.runtime.work_queue import Urgency, WorkQueue

_log = structlog.get_logger()
_RETRY_SECONDS = 5.0
# News that a healthy watch has not told yet when the listing comes.
_GRACE_SECONDS = 2.0
_GATHER_SECONDS = 1.0


class Lister(Protocol):
    """The part of the API that lists."""

    def objects(
        self, kind: Kind, *, namespace: str | None, selector: str | None = None
    ) -> Iterator[Manifest]:
        """Yield the objects of a kind."""


class Resync:
    """Lists everything, at an interval, in a thread of its own.

    `on_first` is called after the first listing.
    """

    def __init__(
        self,
        lister: Lister,
        cache: ObjectCache,
        queue: WorkQueue,
        *,
        known_kinds: KnownKinds,
        namespaces: Sequence[str],
        interval_seconds: float,
        on_first: Callable[[], None],
        on_missed: Callable[[Kind], None],
    ) -> None:
        self._lister = lister
        self._cache = cache
        self._queue = queue
        self._known_kinds = known_kinds
        self._namespaces: Sequence[str | None] = namespaces or (None,)
        self._interval_seconds = interval_seconds
        self._on_first = on_first
        self._on_missed = on_missed
        self._stopping = threading.Event()
        # Set when it is asked for, and to end the waiting.
        self._wanted = threading.Event()
        self._thread = threading.Thread(target=self._run, name="resync", daemon=True)
        self._done_at: float | None = None
        # What was logged last, to log it once.
        self._failure = ""

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def soon(self) -> None:
        """Ask for one soon: a watch may have missed something."""
        self._wanted.set()

    def stop(self, timeout_seconds: float) -> None:
        """Stop, and wait for a listing under way."""
        self._stopping.set()
        self._wanted.set()
        if self._thread.ident is not None:
            self._thread.join(timeout_seconds)

    def is_alive(self) -> bool:
        """Tell whether its thread works, or has not been started."""
        return self._thread.ident is None or self._thread.is_alive()

    def is_done_once(self) -> bool:
        """Tell whether everything has been listed once."""
        return self._done_at is not None

    def resync(self) -> None:
        """List everything once; raises CarthubError."""
        self._known_kinds.look()
        keys = set(self._cache.keys())
        for namespace in self._namespaces:
            for kind in self._known_kinds.all():
                keys |= self._resync_kind(kind, namespace)
        for key in sorted(keys | set(self._cache.keys())):
            self._queue.add(key, urgency=Urgency.ROUTINE)
        self._done_at = time.monotonic()

    def _resync_kind(self, kind: Kind, namespace: str | None) -> set[Key]:
        """Take a listing of one kind; return whom it is news to."""
        since = time.monotonic() - _GRACE_SECONDS
        selector = None if kind is kinds.CART_SERVICE else names.LABEL_OWNER_UID
        listed = self._lister.objects(kind, namespace=namespace, selector=selector)
        try:
            missed = self._cache.replace(kind, listed, since=since, namespace=namespace)
        except NotFound:
            # Its definition is gone, and everything of it.
            missed = self._cache.replace(kind, (), since=since, namespace=namespace)
        if self.is_done_once():
            for _ in missed:
                self._on_missed(kind)
        return {owner for owner in missed if owner is not None}

    def _run(self) -> None:
        wait_seconds = 0.0
        while not self._is_stopping_after(wait_seconds):
            is_first = not self.is_done_once()
            wait_seconds = self._interval_seconds
            try:
                self.resync()
            except CarthubError as error:
                wait_seconds = min(_RETRY_SECONDS, self._interval_seconds)
                if str(error) != self._failure:
                    _log.warning("resync-failed", error=str(error))
                self._failure = str(error)
            else:
                self._failure = ""
            if is_first and self.is_done_once():
                self._on_first()

    def _is_stopping_after(self, wait_seconds: float) -> bool:
        """Wait, shorter if one is asked for; return whether to stop."""
        if self._wanted.wait(wait_seconds):
            # All streams end together when the API server restarts.
            self._stopping.wait(_GATHER_SECONDS)
            self._wanted.clear()
        return self._stopping.is_set()
