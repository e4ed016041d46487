"""The resync: everything listed at the start, and then now and then for what no watch has told.

kopf makes no DELETED for what vanished while it was not watching, and a watch may stay silent for
a minute before anybody notices. A resync also puts every CartService on the queue once. No pass is
made before the first: a child that was not seen yet would be taken for missing.

Kind by kind: a listing that fails is asked for again, those that were answered are not. A stream
that begins anew tells nothing of what is there already, and asks for its own kind alone.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from queue import SimpleQueue
from typing import Protocol

import structlog

from carthub_operator import kinds
from carthub_operator.api import names
from carthub_operator.api.resource import Key
from carthub_operator.desired.facts import Manifest
from carthub_operator.errors import CarthubError, Forbidden, NotFound
from carthub_operator.kinds import Kind
from carthub_operator.runtime.cache import ObjectCache
from carthub_operator.runtime.known_kinds import KnownKinds
from carthub_operator.runtime.work_queue import Urgency, WorkQueue

_log = structlog.get_logger()
# After a round in which nothing was answered, and after one in which something was.
_RETRY_SECONDS = 5.0
_GO_ON_SECONDS = 1.0
# A healthy watch tells a deletion so late. Shorter than the gathering: what was seen before a
# stream ended is then always older than the listing that its new beginning asks for.
_GRACE_SECONDS = 0.5
_GATHER_SECONDS = 1.0
# What of a start may be spent waiting for watches: they may not come, and pods wait for passes.
_FIRST_WATCH_SECONDS = 10.0


class Lister(Protocol):
    """The part of the API that lists."""

    def objects(
        self, kind: Kind, *, namespace: str | None, selector: str | None = None
    ) -> Iterator[Manifest]:
        """Yield the objects of a kind."""


class Watched(Protocol):
    """The watches that run beside, and call `soon` when one begins."""

    def wait_listed(self, path: str, timeout_seconds: float) -> None:
        """Wait until the watch of a collection has begun, but no longer than that."""


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
        self._watched: Watched | None = None
        self._watched_by = 0.0
        self._stopping = threading.Event()
        # Set when something is asked for, and to end the waiting.
        self._wanted = threading.Event()
        self._asked: SimpleQueue[tuple[str, float]] = SimpleQueue()
        # By the path of the collection, as the streams know it.
        self._left: dict[str, tuple[Kind, str | None]] = {}
        # When it was listed last, or is being listed.
        self._begun_at: dict[str, float] = {}
        self._is_whole = False
        self._answered = 0
        self._thread = threading.Thread(target=self._run, name="resync", daemon=True)
        self._due_at = 0.0
        self._done_at: float | None = None
        # What was logged last, to log it once.
        self._failure = ""

    def start(self, watched: Watched) -> None:
        """Begin, with each kind once its watch has begun: it need not be listed again then."""
        self._watched = watched
        self._watched_by = time.monotonic() + _FIRST_WATCH_SECONDS
        self._thread.start()

    def soon(self, path: str) -> None:
        """Ask for the listing of a collection, soon: its watch begins now."""
        self._asked.put((path, time.monotonic()))
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
        """List everything once; raises CarthubError, after all that could be listed was."""
        self._want_everything()
        self._list()

    def _want_everything(self) -> None:
        self._known_kinds.look()
        self._left = self._collections()
        self._is_whole = True
        self._due_at = time.monotonic() + self._interval_seconds

    def _collections(self) -> dict[str, tuple[Kind, str | None]]:
        return {
            kind.path(namespace=namespace): (kind, namespace)
            for namespace in self._namespaces
            for kind in self._known_kinds.all()
        }

    def _list(self) -> None:
        """List what is left; raises the last failure once all the others are listed."""
        missed: set[Key] = set()
        failure: CarthubError | None = None
        closed: set[str | None] = set()
        for path, (kind, namespace) in list(self._left.items()):
            if self._stopping.is_set():
                return
            if namespace in closed:
                continue
            try:
                # One by one: what a listing told before it failed is known, and told only once.
                for owner in self._missed(path, kind, namespace):
                    missed.add(owner)
                del self._left[path]
                self._answered += 1
            except Forbidden as error:
                failure = error
                # Deleted with its RoleBinding, or not bound yet: no reason to serve no other.
                closed.add(namespace)
            except CarthubError as error:
                failure = error
        is_left = any(namespace not in closed for _, namespace in self._left.values())
        self._tell(missed)
        if self._is_whole and not is_left and closed < set(self._namespaces):
            for key in sorted(set(self._cache.keys()) - missed):
                self._queue.add(key, urgency=Urgency.ROUTINE)
            self._is_whole = False
            self._done_at = time.monotonic()
        if failure is not None:
            raise failure

    def _tell(self, missed: set[Key]) -> None:
        for key in sorted(missed):
            resource = self._cache.resource(key)
            self._queue.add(key, urgency=Urgency.of_news(resource) if resource else Urgency.NEWS)

    def _missed(self, path: str, kind: Kind, namespace: str | None) -> Iterator[Key]:
        """Take a listing of one kind; yield whom it is news to."""
        if self._watched is not None and not self.is_done_once():
            self._watched.wait_listed(path, max(0.0, self._watched_by - time.monotonic()))
        self._begun_at[path] = time.monotonic()
        since = self._begun_at[path] - _GRACE_SECONDS
        selector = None if kind is kinds.CART_SERVICE else names.LABEL_OWNER_UID
        listed = self._lister.objects(kind, namespace=namespace, selector=selector)
        for owner in self._cache.replace(
            kind, _or_nothing(listed), since=since, namespace=namespace
        ):
            if self.is_done_once():
                self._on_missed(kind)
            if owner is not None:
                yield owner

    def _run(self) -> None:
        wait_seconds = 0.0
        while not self._is_stopping_after(wait_seconds):
            is_first = not self.is_done_once()
            answered = self._answered
            try:
                self._want()
                self._list()
            except CarthubError as error:
                wait_seconds = _GO_ON_SECONDS if self._answered > answered else _RETRY_SECONDS
                if str(error) != self._failure:
                    _log.warning("resync-failed", error=str(error))
                self._failure = str(error)
            else:
                wait_seconds = self._due_at - time.monotonic()
                self._failure = ""
            if is_first and self.is_done_once():
                self._on_first()

    def _want(self) -> None:
        """Add what is due, and what was asked for."""
        if time.monotonic() >= self._due_at:
            self._want_everything()
        known = self._collections()
        while not self._asked.empty():
            path, asked_at = self._asked.get()
            if path in known and self._begun_at.get(path, 0.0) <= asked_at:
                self._left[path] = known[path]

    def _is_stopping_after(self, wait_seconds: float) -> bool:
        """Wait, shorter if something is asked for; return whether to stop."""
        if self._wanted.wait(max(0.0, wait_seconds)):
            # All streams end together when the API server restarts.
            self._stopping.wait(_GATHER_SECONDS)
            self._wanted.clear()
        return self._stopping.is_set()


def _or_nothing(listed: Iterator[Manifest]) -> Iterator[Manifest]:
    # Its definition is gone, and everything of it.
    with contextlib.suppress(NotFound):
        yield from listed
