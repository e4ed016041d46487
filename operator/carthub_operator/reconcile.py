"""The one sequence: observe, desire, apply what differs, prune, tell.

A pass starts from what is, never from what happened, so it repairs whatever it finds and can be
repeated at any moment. Over an unchanged resource it writes nothing.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from carthub_operator import kinds, migration, news, outlook, rollout
from carthub_operator.api import names
from carthub_operator.api.resource import CartService, Key, parse
from carthub_operator.children import Children
from carthub_operator.contracts import Cache, Clock, Cluster, Kinds, NamespaceTerminating
from carthub_operator.credentials import CredentialSources, Known
from carthub_operator.desired.children import Plan, plan
from carthub_operator.desired.facts import (
    DatabaseCredentials,
    Facts,
    Manifest,
    MigrationState,
    migration_key,
)
from carthub_operator.desired.migration_job import migration_job
from carthub_operator.desired.replicas import replicas
from carthub_operator.errors import (
    CarthubError,
    Forbidden,
    InvalidSpec,
    NameTaken,
    Passing,
    Rejected,
)
from carthub_operator.memories import Memories
from carthub_operator.news import Change, News
from carthub_operator.status.observation import Observation
from carthub_operator.status.report import status_for_problem
from carthub_operator.status_writer import StatusWriter, changed_conditions

# A namespace that is being deleted takes its children one by one, each of them news.
_TERMINATING_SECONDS = 30.0
# A Secret that does not exist yet is looked for more often than one that does.
_MISSING_SECRET_SECONDS = 5.0
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
    is_known: bool = False
    # Our own Secrets are not watched.
    secret_due_at: float | None = None
    failing_since: float | None = None


@dataclass(frozen=True)
class _Seen:
    known: Known
    migration: migration.Progress
    plan: Plan


class Reconciler:
    """Brings one CartService at a time into its declared state; safe for several threads.

    Two threads never have the same CartService: the work queue sees to that.
    """

    def __init__(
        self,
        cluster: Cluster,
        cache: Cache,
        credentials: CredentialSources,
        *,
        known_kinds: Kinds,
        clock: Clock,
        jitter: Callable[[], float] = random.random,  # noqa: S311 - spreads load, hides nothing
    ) -> None:
        self._cluster = cluster
        self._cache = cache
        self._credentials = credentials
        self._known_kinds = known_kinds
        self._clock = clock
        self._jitter = jitter
        self._status = StatusWriter(cluster, cache, clock)
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
        self._credentials.reset()
        self._status.reset()

    def _pass(self, resource: CartService, memory: _Memory) -> Outcome:
        children = Children(self._cluster, self._cache, resource)
        if not memory.is_known:
            memory.is_known = True
            if outlook.looks_settled(resource, children, self._facts()):
                # Reading all Secrets at once after a restart would be a storm: it is spread.
                interval = outlook.refresh_seconds(resource)
                return Outcome(again_seconds=interval * self._jitter())
        self._read_secret(resource, children, memory)
        seen = self._observe(resource, children)
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
        self._credentials.forget(key)
        self._leave_until.pop(key.namespace, None)
        self._memories.forget(key)
        self._status.forget(key)

    # Observe

    def _read_secret(self, resource: CartService, children: Children, memory: _Memory) -> None:
        """Read our own Secret once an interval, however often passes come: it is not watched."""
        # Spread, so that resources made together do not ask together for ever.
        interval = outlook.refresh_seconds(resource) * (0.9 + 0.2 * self._jitter())
        now = self._clock.monotonic()
        if memory.secret_due_at is not None and now < memory.secret_due_at:
            # The interval may have become a shorter one.
            memory.secret_due_at = min(memory.secret_due_at, now + interval)
            return
        is_new = memory.secret_due_at is None and not resource.was_told
        if not is_new:
            children.read(names.database_secret(resource.name))
        memory.secret_due_at = now + interval

    def _observe(self, resource: CartService, children: Children) -> _Seen:
        secret = children.get("Secret", names.database_secret(resource.name))
        known = self._credentials.look(resource, secret)
        progress = self._migration(resource, children, known)
        facts = self._facts(known.credentials, progress.state)
        return _Seen(known, progress, plan(resource, facts))

    def _facts(
        self,
        credentials: DatabaseCredentials | None = None,
        state: MigrationState = MigrationState.NOT_STARTED,
    ) -> Facts:
        is_served = self._known_kinds.knows(kinds.SERVICE_MONITOR)
        return Facts(credentials, state, serves_service_monitors=is_served)

    def _migration(
        self, resource: CartService, children: Children, known: Known
    ) -> migration.Progress:
        if known.credentials is None or not resource.spec.database.migrations.enabled:
            return migration.Progress()
        key = migration_key(resource, known.credentials)
        wanted = migration_job(resource, key)
        return migration.progress(
            key,
            deployment=children.get("Deployment", names.deployment(resource.name)),
            job=children.get("Job", wanted["metadata"]["name"]),
            pods=self._cache.pods(resource.uid),
            is_of_another_spec=children.differs(wanted),
            credentials_changed_at=known.credentials.changed_at,
        )

    # Act

    def _carry_out(
        self, resource: CartService, children: Children, seen: _Seen
    ) -> CarthubError | None:
        """Apply in order; return the first refusal, which keeps pods from what they would need."""
        refused: list[CarthubError] = []
        for manifest in seen.plan.apply:
            is_deployment = manifest["kind"] == "Deployment"
            if is_deployment and refused:
                continue
            existed = children.get(manifest["kind"], manifest["metadata"]["name"]) is not None
            try:
                children.ensure(manifest)
            except (Forbidden, NameTaken, Rejected) as error:
                refused.append(error)
                continue
            count = replicas(resource, exists=existed) if is_deployment else None
            if count is not None:
                children.ensure_part(count, field_manager=names.REPLICAS_FIELD_MANAGER)
        if not refused:
            self._migrate(children, seen)
        children.prune(seen.plan.wants)
        return refused[0] if refused else None

    def _migrate(self, children: Children, seen: _Seen) -> None:
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
        seen: _Seen,
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
        observation = Observation(
            deployment=deployment,
            autoscaler=children.get("HorizontalPodAutoscaler", names.autoscaler(resource.name)),
            pods=() if is_settled else tuple(self._cache.pods(resource.uid)),
            secret=seen.known.state,
            credentials=credentials,
            migration=seen.migration,
            server_connections=seen.known.server_connections,
            problem=problem,
            has_pending_changes=has_pending_changes,
        )
        status, wait_seconds = self._status.told(resource, observation)
        again_seconds = self._again_seconds(resource, seen.known, memory)
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
        if status != previous:
            self._status.write(key, metadata["uid"], status)
        return Outcome(
            news=news.of_status(previous, status),
            uid=metadata["uid"],
            conditions=changed_conditions(previous, status),
            # Only another spec mends a bad one, and that will be news.
            problem=None if isinstance(error, InvalidSpec) else error,
        )

    def _may_pass(self, problem: CarthubError, memory: _Memory) -> bool:
        """Tell whether a problem is of those that pass, and young."""
        now = self._clock.monotonic()
        if memory.failing_since is None:
            memory.failing_since = now
        return isinstance(problem, Passing) and now - memory.failing_since < _PATIENCE_SECONDS

    def _again_seconds(self, resource: CartService, known: Known, memory: _Memory) -> float:
        due_at = memory.secret_due_at
        remaining = 0.0 if due_at is None else due_at - self._clock.monotonic()
        source = resource.spec.database.credentials.existing_secret
        if source is not None and known.credentials is None:
            return min(remaining, _MISSING_SECRET_SECONDS)
        return remaining
