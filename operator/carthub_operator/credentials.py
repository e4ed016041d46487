"""Where the credentials of a CartService stand: from AWS or from a Secret, last good kept.

Nothing here waits for AWS: the schedule does, and calls again when it knows more.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from carthub_operator import credential_values, kinds
from carthub_operator.allow_list import AllowList
from carthub_operator.api import names
from carthub_operator.api.conditions import Reason
from carthub_operator.api.database import ExistingSecret, SecretsManager
from carthub_operator.api.durations import seconds
from carthub_operator.api.resource import CartService, Key
from carthub_operator.contracts import (
    Clock,
    Cluster,
    Logins,
    SecretReference,
    SecretSchedule,
)
from carthub_operator.desired.facts import DatabaseCredentials, Manifest, ssl_mode
from carthub_operator.errors import SecretError
from carthub_operator.memories import Memories
from carthub_operator.status.observation import SecretState

# Passes come at the interval, earlier or later by a tenth.
EARLIEST = 0.85


@dataclass(frozen=True)
class Known:
    """The credentials to use, None while none were ever good, and how it stands with them."""

    credentials: DatabaseCredentials | None
    state: SecretState
    # What PostgreSQL takes in all, None while it was not asked.
    server_connections: int | None = None


@dataclass
class _Memory:
    """What is remembered of one CartService between passes."""

    credentials: DatabaseCredentials | None = None
    # Of an existing Secret: when it was read, what was in it.
    read_at: float | None = None
    source: Manifest | None = None
    server_connections: int | None = None


class CredentialSources:
    """Tells the credentials of every CartService."""

    def __init__(
        self,
        cluster: Cluster,
        schedule: SecretSchedule,
        *,
        logins: Logins | None,
        allowed_secrets: AllowList,
        allowed_roles: AllowList,
        default_region: str | None,
        clock: Clock,
    ) -> None:
        self._cluster = cluster
        self._schedule = schedule
        self._logins = logins
        self._allowed_secrets = allowed_secrets
        self._allowed_roles = allowed_roles
        self._default_region = default_region
        self._clock = clock
        self._memories = Memories(_Memory)

    def look(self, resource: CartService, live: Mapping[str, Any] | None) -> Known:
        """Return where the credentials stand; `live` is our own Secret as it is now."""
        memory = self._memories.of(resource.key, resource.uid)
        last_good = memory.credentials or credential_values.of_secret(live)
        try:
            known = self._current(resource, live, memory, last_good)
            if known.credentials is not None and not known.credentials.is_same_value(last_good):
                self._try(resource, known.credentials, memory, last_good)
        except SecretError as error:
            kept = ""
            if last_good is not None:
                kept = f"; version {last_good.version_id} goes on being used"
            state = SecretState(
                is_synced=False, reason=Reason(error.reason), message=f"{error}{kept}"
            )
            known = Known(last_good, state)
        memory.credentials = known.credentials
        return replace(known, server_connections=memory.server_connections)

    def forget(self, key: Key) -> None:
        """Drop what is remembered of a CartService that is gone."""
        self._memories.forget(key)
        self._schedule.forget(key)

    def reset(self) -> None:
        """Drop what is remembered of every CartService."""
        self._memories.clear()

    def _current(
        self,
        resource: CartService,
        live: Mapping[str, Any] | None,
        memory: _Memory,
        last_good: DatabaseCredentials | None,
    ) -> Known:
        sources = resource.spec.database.credentials
        if sources.secrets_manager is not None:
            return self._from_aws(resource, sources.secrets_manager, live, last_good)
        self._schedule.forget(resource.key)
        if sources.existing_secret is not None:
            return self._from_secret(resource, sources.existing_secret, live, memory, last_good)
        raise SecretError(Reason.PENDING, "spec.database.credentials names no source")

    def _try(
        self,
        resource: CartService,
        credentials: DatabaseCredentials,
        memory: _Memory,
        last_good: DatabaseCredentials | None,
    ) -> None:
        """Log in with what is new; raises SecretError where it must not replace a good one."""
        database = resource.spec.database
        if self._logins is None or not database.credentials.check_login:
            return
        mode, authority = ssl_mode(resource), None
        if mode.startswith("verify-") and database.ca is not None:
            place = database.ca.config_map
            found = self._cluster.get(kinds.CONFIG_MAP, resource.namespace, place.name) or {}
            authority = (found.get("data") or {}).get(place.key)
        login = self._logins.attempt(credentials, ssl_mode=mode, authority=authority)
        if login.refusal is not None:
            raise SecretError(
                Reason.SECRET_REFUSED,
                f"PostgreSQL at {credentials.host}:{credentials.port} refuses the user name and"
                f" password of version {credentials.version_id} (SQLSTATE {login.refusal})"
                f"{_hint(credentials)}",
            )
        if login.is_postponed and last_good is not None:
            raise SecretError(
                Reason.PENDING,
                f"Version {credentials.version_id} waits to be tried at the database: too many"
                " databases that are being asked do not answer",
            )
        memory.server_connections = login.max_connections or memory.server_connections

    def _from_aws(
        self,
        resource: CartService,
        source: SecretsManager,
        live: Mapping[str, Any] | None,
        last_good: DatabaseCredentials | None,
    ) -> Known:
        if refusal := self._refusal(resource.namespace, source):
            self._schedule.forget(resource.key)
            raise SecretError(
                Reason.SECRET_NOT_ALLOWED,
                f"the operator's allow-list {refusal} to namespace {resource.namespace}: ask who"
                " runs the operator",
            )
        region = source.region or source.region_of_arn or self._default_region
        if region is None:
            self._schedule.forget(resource.key)
            raise SecretError(
                Reason.SECRET_NOT_FOUND,
                "spec.database.credentials.secretsManager.region is missing, and the operator has"
                " no region of its own (AWS_REGION): give one of them",
            )
        # Another spec may want other parts of the same value.
        is_of_spec = last_good and last_good.origin == credential_values.origin(resource)
        trusted = last_good if is_of_spec else None
        reading = self._schedule.reading(
            resource.key,
            SecretReference(region, source.secret_id, source.role_arn),
            interval_seconds=seconds(source.refresh_interval),
            known_version=trusted.version_id if trusted else None,
            demand=_demand(resource, live),
        )
        silence = ""
        if reading.error is not None:
            message = f"AWS secret {source.secret_id} in {region}: {reading.error}"
            is_known = trusted or (last_good and reading.fields)
            if not is_known or reading.error.reason != Reason.SECRET_SOURCE_UNAVAILABLE:
                raise SecretError(reading.error.reason, message)
            # What was read before holds, whatever it was; that AWS does not answer is told.
            silence = f"; {message}"
        if reading.version_id is not None and reading.fields is not None:
            found = credential_values.complete(
                resource,
                reading.fields,
                version_id=reading.version_id,
                previous=last_good,
                now=self._clock.now(),
            )
            return Known(found, _synced(f"Version {found.version_id}{silence}"))
        if trusted is not None:
            return Known(trusted, _synced(f"Version {trusted.version_id}{silence}"))
        raise SecretError(Reason.PENDING, "Waiting for AWS Secrets Manager to answer")

    def _refusal(self, namespace: str, source: SecretsManager) -> str | None:
        if not self._allowed_secrets.permits(namespace, source.secret_id):
            return f"(CARTHUB_SECRET_ALLOW_LIST) does not give secret {source.secret_id}"
        role = source.role_arn
        if role is not None and not self._allowed_roles.permits(namespace, role):
            return f"(CARTHUB_ROLE_ALLOW_LIST) does not give role {role}"
        return None

    def _from_secret(
        self,
        resource: CartService,
        source: ExistingSecret,
        live: Mapping[str, Any] | None,
        memory: _Memory,
        last_good: DatabaseCredentials | None,
    ) -> Known:
        now = self._clock.monotonic()
        is_other = memory.source is None or memory.source["metadata"]["name"] != source.name
        is_due = memory.read_at is None or (
            now - memory.read_at >= seconds(source.refresh_interval) * EARLIEST
        )
        if is_other or is_due or _demand(resource, live):
            memory.source = self._cluster.get(kinds.SECRET, resource.namespace, source.name)
            memory.read_at = now
        if memory.source is None:
            raise SecretError(
                Reason.SECRET_NOT_FOUND,
                f"Secret {source.name} does not exist in namespace {resource.namespace}: create"
                " it, or correct spec.database.credentials.existingSecret.name",
            )
        found = credential_values.complete(
            resource,
            credential_values.decoded(memory.source),
            version_id=memory.source["metadata"]["resourceVersion"],
            previous=last_good,
            now=self._clock.now(),
        )
        return Known(found, _synced(f"Version {found.version_id}"))


def _hint(credentials: DatabaseCredentials) -> str:
    for what, value in (("user name", credentials.username), ("password", credentials.password)):
        if value != value.strip():
            return f"; the {what} begins or ends with white space"
    return ""


def _synced(message: str) -> SecretState:
    return SecretState(is_synced=True, reason=Reason.SYNCED, message=message)


def _demand(resource: CartService, live: Mapping[str, Any] | None) -> str | None:
    """Return the value of the sync annotation while it was not carried out."""
    asked = resource.annotations.get(names.ANNOTATION_SYNC)
    return None if asked == credential_values.handled_sync(live) else asked
