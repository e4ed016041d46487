"""What is so of one CartService: its Secret, credentials and migrations, and so the plan."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from carthub_operator import credential_values, kinds, migration, outlook
from carthub_operator.api import names
from carthub_operator.api.conditions import Reason
from carthub_operator.api.resource import CartService, Key
from carthub_operator.children import Children
from carthub_operator.contracts import Cache, Clock, Kinds
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
from carthub_operator.memories import Memories

# A Secret that does not exist yet is looked for more often than one that does; so is a login that
# could not be tried.
_PENDING_SECONDS = 5.0


@dataclass(frozen=True)
class Seen:
    """What was seen, and what every child is to be for it."""

    known: Known
    migration: migration.Progress
    plan: Plan


@dataclass
class _Memory:
    is_known: bool = False
    # Our own Secrets are not watched.
    secret_due_at: float | None = None


class Observer:
    """Looks at CartServices; safe for several threads, one a CartService."""

    def __init__(
        self,
        cache: Cache,
        credentials: CredentialSources,
        *,
        known_kinds: Kinds,
        clock: Clock,
        jitter: Callable[[], float],
    ) -> None:
        self._cache = cache
        self._credentials = credentials
        self._known_kinds = known_kinds
        self._clock = clock
        self._jitter = jitter
        self._memories = Memories(_Memory)

    def trusted_seconds(self, resource: CartService, children: Children) -> float | None:
        """Return how long a CartService seen for the first time may wait; None: look at it now.

        To read all Secrets at once after a restart would be a storm: it is spread.
        """
        memory = self._memories.of(resource.key, resource.uid)
        if memory.is_known:
            return None
        memory.is_known = True
        if not outlook.looks_settled(resource, children, self._facts()):
            return None
        return outlook.refresh_seconds(resource) * self._jitter()

    def observe(self, resource: CartService, children: Children) -> Seen:
        """Return what is so; raises CarthubError."""
        self._read_secret(resource, children)
        secret = children.get("Secret", names.database_secret(resource.name))
        known = self._credentials.look(resource, secret)
        in_use = self._in_use(resource, children, known)
        progress = self._migration(resource, children, known, is_ahead=in_use is not None)
        facts = replace(self._facts(known.credentials, progress.state), in_use=in_use)
        return Seen(known, progress, plan(resource, facts))

    def again_seconds(self, resource: CartService, seen: Seen) -> float:
        """Return when to look again without any news."""
        due_at = self._memories.of(resource.key, resource.uid).secret_due_at
        remaining = 0.0 if due_at is None else due_at - self._clock.monotonic()
        source = resource.spec.database.credentials.existing_secret
        known = seen.known
        is_missing = source is not None and known.credentials is None
        if is_missing or (known.credentials and known.state.reason is Reason.PENDING):
            return min(remaining, _PENDING_SECONDS)
        return remaining

    def forget(self, key: Key) -> None:
        """Drop what is remembered of a CartService that is gone."""
        self._credentials.forget(key)
        self._memories.forget(key)

    def reset(self) -> None:
        """Begin as after a start."""
        self._credentials.reset()
        self._memories.clear()

    def _read_secret(self, resource: CartService, children: Children) -> None:
        """Read our own Secret once an interval, however often passes come: it is not watched."""
        memory = self._memories.of(resource.key, resource.uid)
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

    def _facts(
        self,
        credentials: DatabaseCredentials | None = None,
        state: MigrationState = MigrationState.NOT_STARTED,
    ) -> Facts:
        is_served = self._known_kinds.knows(kinds.SERVICE_MONITOR)
        return Facts(credentials, state, serves_service_monitors=is_served)

    def _in_use(self, resource: CartService, children: Children, known: Known) -> Manifest | None:
        """Return our Secret where pods use another database than the credentials lead to."""
        secret = children.get("Secret", names.database_secret(resource.name))
        stored = credential_values.of_secret(secret)
        if (
            stored is None
            or known.credentials is None
            or stored.place == known.credentials.place
            or children.get("Deployment", names.deployment(resource.name)) is None
        ):
            return None
        return secret

    def _migration(
        self, resource: CartService, children: Children, known: Known, *, is_ahead: bool
    ) -> migration.Progress:
        if known.credentials is None or not resource.spec.database.migrations.enabled:
            return migration.Progress()
        key = migration_key(resource, known.credentials)
        wanted = migration_job(resource, key, is_ahead=is_ahead)
        return migration.progress(
            key,
            deployment=children.get("Deployment", names.deployment(resource.name)),
            job=children.get("Job", wanted["metadata"]["name"]),
            pods=self._cache.pods(resource.namespace, resource.uid),
            is_of_another_spec=children.differs(wanted),
            credentials_changed_at=known.credentials.changed_at,
        )
