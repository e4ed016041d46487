"""Which of several operators writes: the one that holds the Lease.

As client-go elects (k8s.io/client-go/tools/leaderelection): the holder renews in time, the others
wait until they have seen no renewal for as long as the Lease lasts, by their own clocks. The
holder counts from before it asked, and stops earlier than the others begin. It steps down and
stays: an API server that is away for minutes must not end the process again and again.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import structlog

from carthub_operator import kinds
from carthub_operator.contracts import Clock
from carthub_operator.desired.facts import Manifest
from carthub_operator.errors import CarthubError, Conflict, NotLeader
from carthub_operator.kinds import Kind

_log = structlog.get_logger()

# A standby looks every second: it takes over at most 14 s after the last renewal.
LEASE_SECONDS = 12
_RENEW_SECONDS = 3.0
_LOOK_SECONDS = 1.0
# The holder writes no more so long before anybody else may.
_MARGIN_SECONDS = 3.0


class LeaseStore(Protocol):
    """Where the Lease is; raises `errors`."""

    def get(self, kind: Kind, namespace: str, name: str) -> Manifest | None:
        """Return an object, or None."""

    def create(self, manifest: Manifest) -> Manifest:
        """Create an object; raises Conflict where there is one."""

    def apply_at(self, manifest: Manifest, *, version: str) -> Manifest:
        """Apply an object that has this resourceVersion; raises Conflict where it has another."""


@dataclass(frozen=True)
class LeaseName:
    """Which Lease."""

    namespace: str
    name: str


class Leadership:
    """One candidate; `identity` names it among the others.

    `on_won` and `on_lost` are called from its own thread.
    """

    def __init__(
        self,
        store: LeaseStore,
        lease: LeaseName,
        *,
        identity: str,
        clock: Clock,
        on_won: Callable[[], None],
        on_lost: Callable[[], None],
    ) -> None:
        self._store = store
        self._lease = lease
        self._identity = identity
        self._clock = clock
        self._on_won = on_won
        self._on_lost = on_lost
        self._held_until = 0.0
        self._is_leader = False
        # The Lease as it was seen last, and since when it has been so.
        self._seen: Manifest | None = None
        self._seen_since = 0.0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="leadership", daemon=True)

    def start(self) -> None:
        """Begin to stand for it."""
        self._thread.start()

    def stop(self, timeout_seconds: float) -> None:
        """Stand no more; a Lease that is held is given back, so that another takes it at once."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(timeout_seconds)

    def is_alive(self) -> bool:
        """Tell whether its thread works, or has not been started."""
        return self._thread.ident is None or self._thread.is_alive()

    def is_held(self) -> bool:
        """Tell whether the Lease is surely ours at this moment."""
        return self._clock.monotonic() < self._held_until - _MARGIN_SECONDS

    def check(self) -> None:
        """Raise NotLeader unless the Lease is ours; called before each write."""
        if not self.is_held():
            raise NotLeader("Another operator may hold the Lease by now")

    def _run(self) -> None:
        failure = ""
        while not self._stopping.is_set():
            wait_seconds = _LOOK_SECONDS
            try:
                if self.stand():
                    wait_seconds = _RENEW_SECONDS
                failure = ""
            except CarthubError as error:
                if str(error) != failure:
                    _log.warning("lease-unknown", error=str(error))
                failure = str(error)
            self._tell()
            self._stopping.wait(wait_seconds)
        self._give_back()

    def stand(self) -> bool:
        """Look at the Lease once, and take or renew it if it may be; return whether it is ours."""
        if self._is_ours(self._seen) and self._renewed():
            return True
        found = self._store.get(kinds.LEASE, self._lease.namespace, self._lease.name)
        if _version(found) != _version(self._seen) or found is None:
            self._seen_since = self._clock.monotonic()
        self._seen = found
        if found is not None and _spec(found).get("holderIdentity") and not self._is_ours(found):
            # Taken by somebody, however: two must not write until our time would be over.
            self._held_until = 0.0
        return self._may_be_taken() and self._renewed()

    def _renewed(self) -> bool:
        asked_at = self._clock.monotonic()
        try:
            if self._seen is None:
                self._seen = self._store.create(self._manifest())
            else:
                self._seen = self._store.apply_at(self._manifest(), version=_version(self._seen))
        except Conflict:
            # Somebody else was faster, or has taken it.
            return False
        self._seen_since = asked_at
        self._held_until = asked_at + LEASE_SECONDS
        return True

    def _may_be_taken(self) -> bool:
        if self._seen is None or not _spec(self._seen).get("holderIdentity"):
            return True
        if self._is_ours(self._seen):
            return True
        lasts = float(_spec(self._seen).get("leaseDurationSeconds") or LEASE_SECONDS)
        return self._clock.monotonic() - self._seen_since > lasts

    def _is_ours(self, lease: Manifest | None) -> bool:
        return lease is not None and _spec(lease).get("holderIdentity") == self._identity

    def _tell(self) -> None:
        """Call back where it was won or lost."""
        is_leader = self.is_held()
        if is_leader == self._is_leader:
            return
        self._is_leader = is_leader
        _log.info("leadership-won" if is_leader else "leadership-lost", identity=self._identity)
        (self._on_won if is_leader else self._on_lost)()

    def _give_back(self) -> None:
        if not self._is_ours(self._seen) or self._seen is None:
            return
        self._held_until = 0.0
        try:
            self._store.apply_at(self._manifest(is_held=False), version=_version(self._seen))
        except CarthubError as error:
            _log.warning("lease-kept", error=str(error))

    def _manifest(self, *, is_held: bool = True) -> Manifest:
        now, before = self._clock.now_precisely(), _spec(self._seen)
        transitions = int(before.get("leaseTransitions") or 0)
        is_other = before.get("holderIdentity") != self._identity
        spec: dict[str, Any] = {
            "leaseDurationSeconds": LEASE_SECONDS,
            "leaseTransitions": transitions + is_other,
            "acquireTime": now if is_other else before.get("acquireTime", now),
            "renewTime": now,
        }
        if is_held:
            spec["holderIdentity"] = self._identity
        return {
            "apiVersion": kinds.LEASE.api_version,
            "kind": kinds.LEASE.name,
            "metadata": {"name": self._lease.name, "namespace": self._lease.namespace},
            "spec": spec,
        }


def _spec(lease: Manifest | None) -> Manifest:
    return (lease or {}).get("spec") or {}


def _version(lease: Manifest | None) -> str:
    return str(lease["metadata"]["resourceVersion"]) if lease else ""
