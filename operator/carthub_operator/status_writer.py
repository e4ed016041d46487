"""Writing the status: once a pass, where it changed, and progress at most once a second."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from carthub_operator import rollout
from carthub_operator.api import names
from carthub_operator.api.conditions import Type
from carthub_operator.api.resource import CartService
from carthub_operator.contracts import Cache, Clock, Cluster
from carthub_operator.errors import ClusterUnavailable, Conflict
from carthub_operator.status import Observation, status_for

# What tells only how far something is waits this long after the last write.
PROGRESS_SECONDS = 1.0
_VERDICTS = frozenset(
    {Type.READY, Type.STALLED, Type.SECRET_SYNCED, Type.MIGRATION_SUCCEEDED, Type.SUSPENDED}
)


@dataclass
class _Memory:
    """What is remembered of one CartService, by its uid."""

    written_at: float | None = None
    # Since when the Deployment's controller has not looked at its present spec.
    unobserved_since: float | None = None


class StatusWriter:
    """Writes the status of every CartService; safe for several threads, one a CartService."""

    def __init__(self, cluster: Cluster, cache: Cache, clock: Clock) -> None:
        self._cluster = cluster
        self._cache = cache
        self._clock = clock
        self._memories: dict[str, _Memory] = {}

    def told(self, resource: CartService, seen: Observation) -> tuple[dict[str, Any], float]:
        """Return the status that was written, and 0; or the one before, and how long to wait."""
        status = status_for(resource, seen, now=self._clock.now())
        before = dict(resource.status)
        wait_seconds = self._wait_seconds(resource, seen, status)
        if before == status:
            return before, 0.0
        if wait_seconds > 0.0:
            return before, wait_seconds
        self.write(resource.namespace, resource.name, resource.uid, status)
        return status, 0.0

    def write(self, namespace: str, name: str, uid: str, status: Mapping[str, Any]) -> None:
        """Write a status now."""
        manifest = {
            "apiVersion": names.API_VERSION,
            "kind": names.KIND,
            "metadata": {"name": name, "namespace": namespace},
            "status": dict(status),
        }
        try:
            self._cache.put(self._cluster.apply_status(manifest, uid=uid))
        except Conflict as error:
            # Deleted or made anew since it was read; the watch will say which.
            raise ClusterUnavailable(f"CartService {name} has just been deleted") from error
        self._memories.setdefault(uid, _Memory()).written_at = self._clock.monotonic()

    def forget(self, uid: str) -> None:
        """Drop what is remembered of a CartService that is gone."""
        self._memories.pop(uid, None)

    def _wait_seconds(
        self, resource: CartService, seen: Observation, status: Mapping[str, Any]
    ) -> float:
        memory = self._memories.setdefault(resource.uid, _Memory())
        now = self._clock.monotonic()
        if seen.deployment is None or rollout.is_observed(seen.deployment):
            memory.unobserved_since = None
        elif seen.problem is None:
            # Its status speaks of the spec before: whoever scales it would be told of a rollout
            # for some milliseconds.
            memory.unobserved_since = memory.unobserved_since or now
            if (wait_seconds := memory.unobserved_since + PROGRESS_SECONDS - now) > 0.0:
                return wait_seconds
        # Ten pods that become ready one after the other are not ten writes.
        if memory.written_at is None or _is_verdict(resource.status, status):
            return 0.0
        return memory.written_at + PROGRESS_SECONDS - now


def changed_conditions(
    before: Mapping[str, Any], now: Mapping[str, Any]
) -> Sequence[Mapping[str, Any]]:
    """Return the conditions whose status or reason is another."""
    old = {c["type"]: (c["status"], c["reason"]) for c in before.get("conditions") or ()}
    return [
        c for c in now.get("conditions") or () if old.get(c["type"]) != (c["status"], c["reason"])
    ]


def _is_verdict(before: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Tell whether a change of status is more than progress."""
    return before.get("observedGeneration") != now["observedGeneration"] or any(
        condition["type"] in _VERDICTS for condition in changed_conditions(before, now)
    )
