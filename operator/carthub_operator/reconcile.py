"""The one sequence: observe, desire, apply what differs, prune, tell.

A pass starts from what is, never from what happened, so it repairs whatever it finds and can be
repeated at any moment. Over an unchanged resource it writes nothing.
"""

import contextlib
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from carthub_operator import credential_values, kinds, news, outlook, rollout
from carthub_operator.api import names
from carthub_operator.api.resource import CartService, Key, parse
from carthub_operator.children import Children
from carthub_operator.contracts import Cache, Clock, Cluster, Kinds
from carthub_operator.credentials import CredentialSources
from carthub_operator.desired.facts import Manifest
from carthub_operator.desired.replicas import replicas
from carthub_operator.errors import (
    CarthubError,
    Forbidden,
    InvalidSpec,
    NamespaceTerminating,
    NameTaken,
    NotFound,
    Passing,
    Rejected,
)
from carthub_operator.memories import Memories
from carthub_operator.news import Change, News
from carthub_operator.observing import Observer, Seen
from carthub_operator.status.observation import Observation
from carthub_operator.status.report import status_for_problem
from carthub_operator.status_writer import StatusWriter, changed_conditions

# A namespace that is being deleted takes its children one by one, each of them news.
_TERMINATING_SECONDS = 30.0
# What passes by itself is told only if it lasts: one answer of 500 must not flip Ready.
_PATIENCE_SECONDS = 5.0


@dataclass(frozen=True)
class Outcome:
    """What a pass did, and when the next is due without any news."""

    changes: Sequence[Change] = ()
    news: Sequence[News] = ()
    uid: str = ""
    # The conditions that were written, where they differ from those before.
    conditions: Sequence[Mapping[str, Any]] = ()
    again_seconds: float | None = None
    # What stopped the pass: try again, later and later.
    problem: CarthubError | None = None


@dataclass
class _Memory:
    failing_since: float | None = None


class Reconciler:
    """Brings one CartService at a time into its declared state; safe for several threads.

    Two threads never have the same CartService: the work queue sees to that. `is_behind` tells
    whether others wait for their pass: then progress is told later.
    """

    def __init__(
        self,
        cluster: Cluster,
        cache: Cache,
        credentials: CredentialSources,
        *,
        known_kinds: Kinds,
        clock: Clock,
        is_behind: Callable[[], bool],
        jitter: Callable[[], float] = random.random,  # noqa: S311 - spreads load, hides nothing
    ) -> None:
        self._cluster = cluster
        self._cache = cache
        self._clock = clock
        self._observer = Observer(
            cache, credentials, known_kinds=known_kinds, clock=clock, jitter=jitter
        )
        self._status = StatusWriter(cluster, cache, clock, is_behind=is_behind)
        self._memories = Memories(_Memory)
        self._leave_until: dict[str, float] = {}

    def reconcile(self, key: Key) -> Outcome:
        """Make one pass; raises CarthubError where not even the status could be written."""
        raw = self._cache.resource(key)
        if raw is None:
            self._forget(key)
            return Outcome()
        if "deletionTimestamp" in raw["metadata"]:
            # Kubernetes deletes the children by their owner references.
            return Outcome()
        if self._clock.monotonic() < self._leave_until.get(key.namespace, 0.0):
            return Outcome(again_seconds=_TERMINATING_SECONDS)
        memory = self._memories.of(key, raw["metadata"]["uid"])
        try:
            outcome = self._pass(parse(raw), memory)
        except NamespaceTerminating:
            self._leave_until[key.namespace] = self._clock.monotonic() + _TERMINATING_SECONDS
            return Outcome(again_seconds=_TERMINATING_SECONDS)
        except CarthubError as error:
            return self._failed(raw, error, memory)
        if outcome.problem is None:
            memory.failing_since = None
        return outcome

    def reset(self) -> None:
        """Begin as after a start: another operator may have been at work since the last pass."""
        self._memories.clear()
        self._observer.reset()
        self._status.reset()

    def _pass(self, resource: CartService, memory: _Memory) -> Outcome:
        children = Children(self._cluster, self._cache, resource)
        wait_seconds = self._observer.trusted_seconds(resource, children)
        if wait_seconds is not None:
            return Outcome(again_seconds=wait_seconds)
        seen = self._observer.observe(resource, children)
        if resource.spec.suspend:
            is_pending = outlook.is_pending(resource, children, seen.plan)
            return self._tell(resource, children, seen, memory, has_pending_changes=is_pending)
        try:
            problem = self._carry_out(resource, children, seen)
        except NamespaceTerminating:
            raise
        except CarthubError as error:
            problem = error
        return self._tell(resource, children, seen, memory, problem=problem)

    def _forget(self, key: Key) -> None:
        # Not watched: nobody tells that it went with its owner.
        self._cache.forget("Secret", key.namespace, names.database_secret(key.name))
        self._observer.forget(key)
        self._leave_until.pop(key.namespace, None)
        self._memories.forget(key)
        self._status.forget(key)

    # Act

    def _carry_out(
        self, resource: CartService, children: Children, seen: Seen
    ) -> CarthubError | None:
        """Apply in order; return the first refusal, which keeps pods from what they would need."""
        refused: list[CarthubError] = []
        for manifest in seen.plan.apply:
            if manifest["kind"] == "Deployment" and refused:
                continue
            with _noting_refusals(refused):
                self._apply(resource, children, manifest)
        if not refused:
            with _noting_refusals(refused):
                self._migrate(children, seen)
        # Whatever was refused: what is no longer wanted may be what stands in its way.
        children.prune(seen.plan.wants)
        return refused[0] if refused else None

    def _apply(self, resource: CartService, children: Children, manifest: Manifest) -> None:
        try:
            is_new = children.ensure(manifest)
        except NotFound:
            if manifest["kind"] != kinds.SERVICE_MONITOR.name:
                raise
            # Its definition has gone; the next resync will know.
            return
        if manifest["kind"] == "Deployment":
            live = children.get("Deployment", manifest["metadata"]["name"])
            count = (
                replicas(resource, exists=False) if is_new else outlook.replicas_of(resource, live)
            )
            if count is not None:
                children.ensure_part(count, field_manager=names.REPLICAS_FIELD_MANAGER)

    def _migrate(self, children: Children, seen: Seen) -> None:
        for manifest in seen.plan.create:
            job = children.get(manifest["kind"], manifest["metadata"]["name"])
            if job is not None and seen.migration.is_overtaken:
                children.remove(job)
            children.ensure_exists(manifest)

    # Tell

    def _tell(
        self,
        resource: CartService,
        children: Children,
        seen: Seen,
        memory: _Memory,
        *,
        problem: CarthubError | None = None,
        has_pending_changes: bool = False,
    ) -> Outcome:
        credentials = seen.known.credentials
        version_id = credentials.version_id if credentials else None
        told = news.of_children(resource, children.changes, version_id=version_id)
        if problem is not None and self._may_pass(problem, memory):
            return Outcome(children.changes, told, resource.uid, problem=problem)
        deployment = children.get("Deployment", names.deployment(resource.name))
        is_settled = deployment is not None and rollout.is_rolled_out(deployment)
        secret = children.get("Secret", names.database_secret(resource.name))
        observation = Observation(
            deployment=deployment,
            autoscaler=children.get("HorizontalPodAutoscaler", names.autoscaler(resource.name)),
            pods=() if is_settled else tuple(self._cache.pods(resource.namespace, resource.uid)),
            secret=seen.known.state,
            credentials=credentials,
            stored=credential_values.of_secret(secret),
            handled_sync=credential_values.handled_sync(secret),
            migration=seen.migration,
            server_connections=seen.known.server_connections,
            problem=problem,
            has_pending_changes=has_pending_changes,
        )
        status, wait_seconds = self._status.told(resource, observation)
        again_seconds = self._observer.again_seconds(resource, seen)
        if status != resource.status and self._is_overtaken(
            resource.key, resource.generation, resource.annotations
        ):
            again_seconds = 0.0
        return Outcome(
            changes=children.changes,
            news=[*told, *news.of_status(resource.status, status)],
            uid=resource.uid,
            conditions=changed_conditions(resource.status, status),
            again_seconds=min(wait_seconds or again_seconds, again_seconds),
            problem=problem,
        )

    def _failed(self, raw: Manifest, error: CarthubError, memory: _Memory) -> Outcome:
        """Tell of a resource that could not even be looked at; what was told before stays."""
        if self._may_pass(error, memory):
            return Outcome(problem=error)
        metadata, previous = raw["metadata"], raw.get("status") or {}
        key = Key(metadata["namespace"], metadata["name"])
        status = status_for_problem(
            metadata.get("generation", 0), previous, error, now=self._clock.now()
        )
        again_seconds = None
        if status != previous:
            self._status.write(key, metadata["uid"], status)
            if self._is_overtaken(
                key, metadata.get("generation", 0), metadata.get("annotations") or {}
            ):
                again_seconds = 0.0
        return Outcome(
            news=news.of_status(previous, status),
            uid=metadata["uid"],
            conditions=changed_conditions(previous, status),
            again_seconds=again_seconds,
            # Only another spec mends a bad one, and that will be news.
            problem=None if isinstance(error, InvalidSpec) else error,
        )

    def _is_overtaken(self, key: Key, generation: int, annotations: Mapping[str, str]) -> bool:
        """Tell whether the answer to a written status carries an edit that no pass has seen.

        It is in the cache with that answer, so the watch, which is behind, brings no news of it.
        """
        live = self._cache.resource(key)
        if live is None:
            return False
        now = live["metadata"]
        seen = now.get("generation", 0), now.get("annotations") or {}
        return seen != (generation, annotations)

    def _may_pass(self, problem: CarthubError, memory: _Memory) -> bool:
        """Tell whether a problem is of those that pass, and young."""
        now = self._clock.monotonic()
        if memory.failing_since is None:
            memory.failing_since = now
        return isinstance(problem, Passing) and now - memory.failing_since < _PATIENCE_SECONDS


@contextlib.contextmanager
def _noting_refusals(refused: list[CarthubError]) -> Iterator[None]:
    """Go on after what the API server refuses for good, and note it."""
    try:
        yield
    except (Forbidden, NameTaken, Rejected) as error:
        refused.append(error)
