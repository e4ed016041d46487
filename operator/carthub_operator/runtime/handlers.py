"""kopf's part: the watch streams, which fill the cache and put keys on the work queue.

No handler here makes kopf write: no finalizer, no annotation, no status, no event. kopf's own
indexes are not used: they keep for ever what vanished while a watch was broken.
"""

import itertools
import random
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from typing import Any

import kopf

from carthub_operator import kinds
from carthub_operator.api import names
from carthub_operator.kinds import Kind
from carthub_operator.runtime.cache import ObjectCache, owner_key
from carthub_operator.runtime.session import session
from carthub_operator.runtime.streams import Streams
from carthub_operator.runtime.work_queue import Urgency, WorkQueue

_LAST_BACKOFF_SECONDS = 10.0
# Of a listing only its resource version is taken: see `session`.
_PAGE = 1
_RECONNECT_SECONDS = 0.5


class EndlessBackoffs:
    """Delays that never run out, with jitter: kopf ends its process when its delays do."""

    def __iter__(self) -> Iterator[float]:
        for attempt in itertools.count():
            delay = min(0.5 * 2.0 ** min(attempt, 10), _LAST_BACKOFF_SECONDS)
            yield delay * (0.5 + random.random())  # noqa: S311 - spreads load, hides nothing


def kopf_settings(
    watched: Iterable[Kind], *, inactivity_seconds: float, request_seconds: float
) -> kopf.OperatorSettings:
    """Return kopf's settings: it watches for ever, and writes nothing."""
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.peering.standalone = True
    # All kinds are known beforehand: namespaces and CRDs are not watched.
    settings.scanning.disabled = True
    settings.networking.error_backoffs = EndlessBackoffs()
    settings.networking.request_timeout = request_seconds
    settings.networking.connect_timeout = min(5.0, request_seconds)
    settings.queueing.error_delays = EndlessBackoffs()
    # The only thing that notices a watch gone silent. Bookmarks come every 60 s.
    settings.watching.inactivity_timeout = inactivity_seconds
    settings.watching.chunk_size = _PAGE
    # A listing that fails over and over is not to be a storm.
    settings.watching.reconnect_backoff = _RECONNECT_SECONDS
    # kopf would kill the process some seconds after its end; it is begun again instead.
    settings.process.ultimate_exiting_timeout = None
    for kind in watched:
        if kind is kinds.CART_SERVICE:
            continue
        selector = (kind.group, kind.version, kind.plural)
        settings.watching.label_selectors[selector] = names.LABEL_OWNER_UID
    return settings


def handlers(
    watched: Iterable[Kind], cache: ObjectCache, queue: WorkQueue, streams: Streams
) -> kopf.OperatorRegistry:
    """Return the handlers of these kinds; kopf's session tells `streams` what goes by."""
    registry = kopf.OperatorRegistry()
    kopf.on.login(id="login", registry=registry)(_login_with(streams))
    for kind in watched:
        _watch(registry, kind, cache, queue)
    return registry


def _login_with(streams: Streams) -> Callable[..., Awaitable[kopf.AiohttpSession | None]]:
    async def login(**kwargs: Any) -> kopf.AiohttpSession | None:  # noqa: ANN401 - kopf's protocol
        """Return the pod's own identity, or outside a cluster the kubeconfig's."""
        found = kopf.login_with_service_account(**kwargs) or kopf.login_with_kubeconfig(**kwargs)
        if found is None:
            return None
        return kopf.AiohttpSession(
            server=found.server,
            default_namespace=found.default_namespace,
            expiration=found.expiration,
            aiohttp_session=session(found, streams),
        )

    return login


def _watch(
    registry: kopf.OperatorRegistry, kind: Kind, cache: ObjectCache, queue: WorkQueue
) -> None:
    where = (kind.group, kind.version, kind.plural)

    async def seen(event: Mapping[str, Any], **_: object) -> None:
        live = event["object"]
        is_gone = event["type"] == "DELETED"
        # The operator's own writes come back here and are no news.
        is_news = cache.deleted(live) if is_gone else cache.put(live)
        key = owner_key(live)
        if is_news and key is not None:
            queue.add(key, urgency=Urgency.of_news(live))

    kopf.on.event(*where, id=f"{kind.name.lower()}-seen", registry=registry)(seen)
