"""kopf in a thread of its own, begun again should it end.

`session` keeps from it what is known to end it. To begin again costs some lists; the end of the
process would cost the passes under way, and in a loop the pod.
"""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Sequence

import kopf
import structlog

from carthub_operator import kinds
from carthub_operator.errors import CarthubError
from carthub_operator.runtime import handlers
from carthub_operator.runtime.cache import ObjectCache
from carthub_operator.runtime.known_kinds import KnownKinds
from carthub_operator.runtime.streams import Streams
from carthub_operator.runtime.work_queue import WorkQueue

_log = structlog.get_logger()

# A bookmark comes every 60 s; a watch that was silent for longer is opened again.
_SILENT_SECONDS = 70.0
_REQUEST_SECONDS = 60.0
_DEFINITION_POLL_SECONDS = 1.0
# What has run for so long begins again at once.
_PROVEN_SECONDS = 60.0


class Watches:
    """Keeps the cache up to date, and puts what is news on the queue."""

    def __init__(
        self,
        cache: ObjectCache,
        queue: WorkQueue,
        streams: Streams,
        *,
        known_kinds: KnownKinds,
        namespaces: Sequence[str],
        serves: Callable[[kinds.Kind], bool],
        on_end: Callable[[], None],
    ) -> None:
        self._cache = cache
        self._queue = queue
        self._streams = streams
        self._known_kinds = known_kinds
        self._namespaces = namespaces
        self._serves = serves
        self._on_end = on_end
        self._ready = threading.Event()
        self._stopping = threading.Event()
        self._restarting = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watches", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._watching: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def restart(self) -> None:
        """Begin anew, with the kinds that are known now."""
        self._restarting.set()
        self._cancel()

    def stop(self, timeout_seconds: float) -> None:
        """Watch no more."""
        self._stopping.set()
        self._cancel()
        if self._thread.ident is not None:
            self._thread.join(timeout_seconds)

    def is_alive(self) -> bool:
        """Tell whether its thread works, or has not been started."""
        return self._thread.ident is None or self._thread.is_alive()

    def is_ready(self) -> bool:
        """Tell whether kopf has begun."""
        return self._ready.is_set()

    def _cancel(self) -> None:
        # Its loop may have ended meanwhile.
        with contextlib.suppress(RuntimeError):
            if self._loop is not None and self._watching is not None:
                self._loop.call_soon_threadsafe(self._watching.cancel)

    def _run(self) -> None:
        backoffs = iter(handlers.EndlessBackoffs())
        while self._wait_for_definition():
            self._restarting.clear()
            since = time.monotonic()
            self._watch_once()
            self._ready.clear()
            self._streams.forget()
            if self._restarting.is_set() or self._stopping.is_set():
                continue
            self._on_end()
            if time.monotonic() - since > _PROVEN_SECONDS:
                backoffs = iter(handlers.EndlessBackoffs())
            self._stopping.wait(next(backoffs))

    def _wait_for_definition(self) -> bool:
        """Wait until CartServices are served, for kopf looks for its kinds only once.

        Returns whether to go on: False means that it was told to stop.
        """
        is_told = False
        while not self._stopping.is_set():
            try:
                if self._serves(kinds.CART_SERVICE):
                    self._known_kinds.look()
                    return True
                why = "the CustomResourceDefinition of CartService is not installed"
            except CarthubError as error:
                why = str(error)
            if not is_told:
                _log.warning("waiting", why=why)
                is_told = True
            self._stopping.wait(_DEFINITION_POLL_SECONDS)
        return False

    def _watch_once(self) -> None:
        try:
            asyncio.run(self._watch())
        except asyncio.CancelledError:
            pass
        except Exception as error:  # noqa: BLE001 - whatever ends kopf, it begins again
            _log.warning("watches-ended", error=f"{type(error).__name__}: {error}")

    async def _watch(self) -> None:
        self._loop, self._watching = asyncio.get_running_loop(), asyncio.current_task()
        if self._stopping.is_set():
            return
        watched = self._known_kinds.all()
        await kopf.operator(
            registry=handlers.handlers(watched, self._cache, self._queue, self._streams),
            settings=handlers.kopf_settings(
                watched, inactivity_seconds=_SILENT_SECONDS, request_seconds=_REQUEST_SECONDS
            ),
            standalone=True,
            clusterwide=not self._namespaces,
            namespaces=self._namespaces,
            ready_flag=self._ready,
        )
