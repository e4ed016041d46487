"""The one sequence: observe, desire, apply what differs, prune, tell.

A pass starts from what is, never from what happened, so it repairs whatever it finds and can be
repeated at any moment. Over an unchanged resource it writes nothing.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from carthub_operator import migration, news, rollout
from carthub_operator.api import names
from carthub_operator.api.conditions import Type
from carthub_operator.api.durations import seconds
from carthub_operator.api.resource import CartService, parse
from carthub_operator.children import Children
from carthub_operator.contracts import Cache, Clock, Cluster, Key, NamespaceTerminating
from carthub_operator.credentials import CredentialSources, Known
from carthub_operator.desired.children import Plan, plan
from carthub_operator.desired.facts import Facts, Manifest, MigrationState, migration_key
from carthub_operator.desired.replicas import replicas
from carthub_operator.errors import CarthubError, InvalidSpec
from carthub_operator.news import Change, News
from carthub_operator.status import Observation, status_for_invalid
from carthub_operator.status_writer import StatusWriter, changed_conditions

# A namespace that is being deleted takes its children one by one, each of them news.
_TERMINATING_SECONDS = 30.0
# A Secret that does not exist yet is looked for more often than one that does.
_MISSING_SECRET_SECONDS = 5.0


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


@dataclass(frozen=True)
class _Seen:
    known: Known
    migration: MigrationState
    migration_message: str
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
        clock: Clock,
        jitter: Callable[[], float] = random.random,  # noqa: S311 - spreads load, hides nothing
    ) -> None:
        self._cluster = cluster
        self._cache = cache
        self._credentials = credentials
        self._clock = clock
        self._jitter = jitter
        self._status = StatusWriter(cluster, cache, clock)
        self._uids: dict[Key, str] = {}
        self._looked_at: set[str] = set()
        # By uid: our own Secrets are not watched.
        self._secret_due_at: dict[str, float] = {}
        self._leave_until: dict[str, float] = {}

    def reconcile(self, key: Key) -> Outcome:
        """Make one pass; raises CarthubError where not even the status could be written."""
        raw = self._cache.resource(key)
        if raw is None:
            self._forget(key)
            return Outcome()
        if self._uids.get(key) != raw["metadata"]["uid"]:
            self._forget(key)
            self._uids[key] = raw["metadata"]["uid"]
        if "deletionTimestamp" in raw["metadata"]:
            # Kubernetes deletes the children by their owner references.
            return Outcome()
        if self._clock.monotonic() < self._leave_until.get(key.namespace, 0.0):
            return Outcome(again_seconds=_TERMINATING_SECONDS)
        try:
            resource = parse(raw)
        except InvalidSpec as error:
            return self._tell_invalid(raw, error)
        return self._pass(resource)

    def _pass(self, resource: CartService) -> Outcome:
        children = Children(self._cluster, self._cache, resource)
        if resource.uid not in self._looked_at:
            self._looked_at.add(resource.uid)
            if _looks_settled(resource, children):
                # Reading all Secrets at once after a restart would be a storm: it is spread.
                return Outcome(again_seconds=_interval_seconds(resource) * self._jitter())
        self._read_secret(resource, children)
        seen = self._observe(resource, children)
        if resource.spec.suspend:
            is_pending = _is_pending(resource, children, seen)
            return self._tell(resource, children, seen, has_pending_changes=is_pending)
        problem = None
        try:
            self._carry_out(resource, children, seen.plan)
        except NamespaceTerminating:
            self._leave_until[resource.namespace] = self._clock.monotonic() + _TERMINATING_SECONDS
            return Outcome(again_seconds=_TERMINATING_SECONDS)
        except CarthubError as error:
            problem = error
        return self._tell(resource, children, seen, problem=problem)

    def _forget(self, key: Key) -> None:
        self._credentials.forget(key)
        self._leave_until.pop(key.namespace, None)
        if uid := self._uids.pop(key, None):
            self._looked_at.discard(uid)
            self._secret_due_at.pop(uid, None)
            self._status.forget(uid)

    # Observe

    def _read_secret(self, resource: CartService, children: Children) -> None:
        """Read our own Secret once an interval, however often passes come: it is not watched."""
        # Spread, so that resources made together do not ask together for ever.
        interval = _interval_seconds(resource) * (0.9 + 0.2 * self._jitter())
        due_at = self._secret_due_at.get(resource.uid)
        now = self._clock.monotonic()
        if due_at is not None and now < due_at:
            # The interval may have become a shorter one.
            self._secret_due_at[resource.uid] = min(due_at, now + interval)
            return
        is_new = due_at is None and resource.status.get("observedGeneration", -1) == -1
        if not is_new:
            children.read(names.database_secret(resource.name))
        self._secret_due_at[resource.uid] = now + interval

    def _observe(self, resource: CartService, children: Children) -> _Seen:
        secret = children.get("Secret", names.database_secret(resource.name))
        known = self._credentials.look(resource, secret)
        state, message = self._migration(resource, children, known)
        return _Seen(known, state, message, plan(resource, Facts(known.credentials, state)))

    def _migration(
        self, resource: CartService, children: Children, known: Known
    ) -> tuple[MigrationState, str]:
        if known.credentials is None or not resource.spec.database.migrations.enabled:
            return MigrationState.NOT_STARTED, ""
        key = migration_key(resource, known.credentials)
        job = children.get("Job", names.migration_job(resource.name, key))
        deployment = children.get("Deployment", names.deployment(resource.name))
        state = migration.state(key, deployment=deployment, job=job)
        if state is MigrationState.FAILED and job is not None:
            if migration.is_overtaken(job, known.credentials) and not resource.spec.suspend:
                children.remove(job)
                return MigrationState.NOT_STARTED, ""
            return state, migration.last_words(job, self._cache.pods(resource.uid))
        return state, ""

    # Act

    def _carry_out(self, resource: CartService, children: Children, wanted: Plan) -> None:
        """Apply in order, up to the first problem: no pods before what protects them."""
        for manifest in wanted.apply:
            is_deployment = manifest["kind"] == "Deployment"
            existed = children.get(manifest["kind"], manifest["metadata"]["name"]) is not None
            children.ensure(manifest)
            count = replicas(resource, exists=existed) if is_deployment else None
            if count is not None:
                children.ensure(count, field_manager=names.REPLICAS_FIELD_MANAGER)
        for manifest in wanted.create:
            children.ensure_exists(manifest)
        children.prune(wanted.wanted)

    # Tell

    def _tell(
        self,
        resource: CartService,
        children: Children,
        seen: _Seen,
        *,
        problem: CarthubError | None = None,
        has_pending_changes: bool = False,
    ) -> Outcome:
        deployment = children.get("Deployment", names.deployment(resource.name))
        is_settled = deployment is not None and rollout.is_rolled_out(deployment)
        credentials = seen.known.credentials
        observation = Observation(
            deployment=deployment,
            autoscaler=children.get("HorizontalPodAutoscaler", names.autoscaler(resource.name)),
            pods=() if is_settled else tuple(self._cache.pods(resource.uid)),
            secret=seen.known.state,
            credentials=credentials,
            migration=seen.migration,
            migration_message=seen.migration_message,
            problem=problem,
            has_pending_changes=has_pending_changes,
        )
        status, wait_seconds = self._status.told(resource, observation)
        version_id = credentials.version_id if credentials else None
        again_seconds = self._again_seconds(resource, seen.known)
        return Outcome(
            changes=children.changes,
            news=[
                *news.of_children(resource, children.changes, version_id=version_id),
                *news.of_status(resource.status, status),
            ],
            uid=resource.uid,
            conditions=changed_conditions(resource.status, status),
            again_seconds=min(wait_seconds or again_seconds, again_seconds),
            problem=problem,
        )

    def _tell_invalid(self, raw: Manifest, error: InvalidSpec) -> Outcome:
        metadata, previous = raw["metadata"], raw.get("status") or {}
        generation, now = metadata.get("generation", 0), self._clock.now()
        status = status_for_invalid(generation, previous, error, now=now)
        if status != previous:
            self._status.write(metadata["namespace"], metadata["name"], metadata["uid"], status)
        return Outcome(
            news=news.of_status(previous, status),
            uid=metadata["uid"],
            conditions=changed_conditions(previous, status),
        )

    def _again_seconds(self, resource: CartService, known: Known) -> float:
        remaining = self._secret_due_at[resource.uid] - self._clock.monotonic()
        source = resource.spec.database.credentials.existing_secret
        if source is not None and known.credentials is None:
            return min(remaining, _MISSING_SECRET_SECONDS)
        return remaining


def _looks_settled(resource: CartService, children: Children) -> bool:
    """Tell whether all that can be seen without the credentials is as it was when last told."""
    status = resource.status
    conditions = {one["type"]: one["status"] for one in status.get("conditions") or ()}
    deployment = children.get("Deployment", names.deployment(resource.name))
    if (
        deployment is None
        or resource.spec.suspend
        or status.get("observedGeneration") != resource.generation
        or conditions.get(Type.READY) != "True"
    ):
        return False
    template = deployment["spec"]["template"]
    annotations = template["metadata"].get("annotations") or {}
    version = status.get("database", {}).get("secretVersionId")
    wanted = plan(resource, Facts(None, MigrationState.NOT_STARTED))
    return (
        annotations.get(names.ANNOTATION_SECRET_VERSION) == version
        and template["spec"]["containers"][0]["image"] == resource.spec.image
        # Its port may be the secret's.
        and not any(children.differs(m) for m in wanted.apply if m["kind"] != "NetworkPolicy")
    )


def _is_pending(resource: CartService, children: Children, seen: _Seen) -> bool:
    """Tell whether carrying out the plan would change a child."""
    count = replicas(resource, exists=True)
    return (
        bool(seen.plan.create)
        or any(children.differs(manifest) for manifest in seen.plan.apply)
        or (
            count is not None
            and children.differs(count, field_manager=names.REPLICAS_FIELD_MANAGER)
        )
    )


def _interval_seconds(resource: CartService) -> int:
    sources = resource.spec.database.credentials
    source = sources.secrets_manager or sources.existing_secret
    return seconds(source.refresh_interval) if source else 60
