"""Writing the status: where it changed, a verdict at once, progress now and then."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from carthub_operator import rollout
from carthub_operator.api import names
from carthub_operator.api.conditions import Type
from carthub_operator.api.resource import CartService, Key
from carthub_operator.contracts import Cache, Clock, Cluster
from carthub_operator.errors import ClusterUnavailable, Conflict
from carthub_operator.memories import Memories
from carthub_operator.status.observation import Observation
from carthub_operator.status.report import status_for

# What is no verdict may still become one; until then it waits this long.
SETTLE_SECONDS = 1.0
# Ten pods that become ready one after the other are not ten writes. And while other CartServices
# wait for their pass, what one does meanwhile is soon replaced by what came of it.
PROGRESS_SECONDS = 10.0
_VERDICTS = (Type.READY, Type.STALLED, Type.SUSPENDED)


@dataclass
class _Memory:
    written_at: float | None = None
    # Since when there is something to tell.
    pending_since: float | None = None
    # Since when the Deployment's controller has not looked at its present spec.
    unobserved_since: float | None = None


class StatusWriter:
    """Writes the status of every CartService; safe for several threads, one a CartService.

    `is_behind` tells whether passes wait for their turn.
    """

    def __init__(
        self, cluster: Cluster, cache: Cache, clock: Clock, *, is_behind: Callable[[], bool]
    ) -> None:
        self._cluster = cluster
        self._cache = cache
        self._clock = clock
        self._is_behind = is_behind
        self._memories = Memories(_Memory)

    def told(self, resource: CartService, seen: Observation) -> tuple[dict[str, Any], float]:
        """Return the status that was written, and 0; or the one before, and how long to wait."""
        status = status_for(resource, seen, now=self._clock.now())
        before = dict(resource.status)
        memory = self._memories.of(resource.key, resource.uid)
        unobserved_seconds = self._unobserved_seconds(memory, seen)
        if before == status:
            memory.pending_since = None
            return before, 0.0
        wait_seconds = unobserved_seconds or self._settle_seconds(memory, before, status)
        if wait_seconds > 0.0:
            return before, wait_seconds
        self.write(resource.key, resource.uid, status)
        return status, 0.0

    def write(self, key: Key, uid: str, status: Mapping[str, Any]) -> None:
        """Write a status now."""
        manifest = {
            "apiVersion": names.API_VERSION,
            "kind": names.KIND,
            "metadata": {"name": key.name, "namespace": key.namespace},
            "status": dict(status),
        }
        try:
            self._cache.put(self._cluster.apply_status(manifest, uid=uid))
        except Conflict as error:
            # Deleted or made anew since it was read; the watch will say which.
            raise ClusterUnavailable(f"CartService {key.name} has just been deleted") from error
        memory = self._memories.of(key, uid)
        memory.written_at, memory.pending_since = self._clock.monotonic(), None

    def reset(self) -> None:
        """Drop what is remembered of every CartService."""
        self._memories.clear()

    def forget(self, key: Key) -> None:
        """Drop what is remembered of a CartService that is gone."""
        self._memories.forget(key)

    def _unobserved_seconds(self, memory: _Memory, seen: Observation) -> float:
        """Return how long to wait for the Deployment's controller."""
        if seen.deployment is None or rollout.is_observed(seen.deployment):
            memory.unobserved_since = None
            return 0.0
        if seen.problem is not None:
            return 0.0
        # Its status speaks of the spec before: whoever scales it would be told of a rollout for
        # some milliseconds.
        now = self._clock.monotonic()
        memory.unobserved_since = memory.unobserved_since or now
        return max(0.0, memory.unobserved_since + SETTLE_SECONDS - now)

    def _settle_seconds(
        self, memory: _Memory, before: Mapping[str, Any], status: Mapping[str, Any]
    ) -> float:
        """Return how long to wait whether another status comes."""
        if is_verdict(before, status):
            return 0.0
        now = self._clock.monotonic()
        memory.pending_since = memory.pending_since or now
        settle_seconds = PROGRESS_SECONDS if self._is_behind() else SETTLE_SECONDS
        wait_seconds = memory.pending_since + settle_seconds - now
        if memory.written_at is not None and _generation(before) == _generation(status):
            return max(wait_seconds, memory.written_at + PROGRESS_SECONDS - now)
        return wait_seconds


def changed_conditions(
    before: Mapping[str, Any], now: Mapping[str, Any]
) -> Sequence[Mapping[str, Any]]:
    """Return the conditions whose status or reason is another."""
    old = {c["type"]: (c["status"], c["reason"]) for c in before.get("conditions") or ()}
    return [
        c for c in now.get("conditions") or () if old.get(c["type"]) != (c["status"], c["reason"])
    ]


def is_verdict(before: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Tell whether somebody waits for a change of status: done, no longer so, or stuck."""
    old, new = _told(before), _told(now)
    if any(_is_true(old, kind) != _is_true(new, kind) for kind in _VERDICTS):
        return True
    if _is_true(new, Type.STALLED):
        return new[Type.STALLED] != old[Type.STALLED]
    return _is_true(new, Type.READY) and _generation(before) != _generation(now)


def _is_true(told: Mapping[str, tuple[str, str]], kind: Type) -> bool:
    return kind in told and told[kind][0] == "True"


def _told(status: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    return {c["type"]: (c["status"], c["reason"]) for c in status.get("conditions") or ()}


def _generation(status: Mapping[str, Any]) -> int:
    generation: int = status.get("observedGeneration", -1)
    return generation
