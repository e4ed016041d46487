"""Conditions of a CartService: their types, their reasons, and how one passes into the next.

The shape is metav1.Condition; how tools read them is kstatus
(sigs.k8s.io/cli-utils, pkg/kstatus): Stalled=True is Failed, Reconciling=True is InProgress.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Type(StrEnum):
    """What a condition speaks of."""

    READY = "Ready"
    RECONCILING = "Reconciling"
    STALLED = "Stalled"
    SECRET_SYNCED = "SecretSynced"  # noqa: S105 - a word, not a secret
    DEPLOYMENT_AVAILABLE = "DeploymentAvailable"
    AUTOSCALING_READY = "AutoscalingReady"
    MIGRATION_SUCCEEDED = "MigrationSucceeded"
    # Only there while spec.suspend is true.
    SUSPENDED = "Suspended"


class Reason(StrEnum):
    """Why a condition is as it is; each has its entry in the documentation."""

    # Ready, Reconciling, Stalled
    READY = "Ready"
    IDLE = "Idle"
    PROGRESSING = "Progressing"
    SUSPENDED = "Suspended"
    INVALID_SPEC = "InvalidSpec"
    NAME_CONFLICT = "NameConflict"
    FORBIDDEN = "Forbidden"
    REJECTED = "Rejected"
    CLUSTER_UNAVAILABLE = "ClusterUnavailable"
    # SecretSynced
    SYNCED = "Synced"
    PENDING = "Pending"
    SECRET_NOT_FOUND = "SecretNotFound"  # noqa: S105 - a word, not a secret
    SECRET_MALFORMED = "SecretMalformed"  # noqa: S105 - a word, not a secret
    SECRET_REFUSED = "SecretRefused"  # noqa: S105 - a word, not a secret
    SECRET_NOT_ALLOWED = "SecretNotAllowed"  # noqa: S105 - a word, not a secret
    SECRET_ACCESS_DENIED = "SecretAccessDenied"  # noqa: S105 - a word, not a secret
    SECRET_SOURCE_UNAVAILABLE = "SecretSourceUnavailable"  # noqa: S105 - a word, not a secret
    # DeploymentAvailable
    AVAILABLE = "Available"
    NOT_CREATED = "NotCreated"
    UNAVAILABLE = "Unavailable"
    ROLLING_OUT = "RollingOut"
    ROLLOUT_FAILED = "RolloutFailed"
    IMAGE_PULL_FAILED = "ImagePullFailed"
    CONTAINER_NOT_STARTED = "ContainerNotStarted"
    CRASH_LOOP = "CrashLoop"
    # MigrationSucceeded
    MIGRATED = "Migrated"
    MIGRATING = "Migrating"
    MIGRATION_FAILED = "MigrationFailed"
    # AutoscalingReady
    SCALING = "Scaling"
    METRICS_UNAVAILABLE = "MetricsUnavailable"


class Advice(StrEnum):
    """Why something that works is warned of."""

    NO_AUTHENTICATION = "NoAuthentication"
    ISSUER_SHUT_OFF = "IssuerShutOff"
    TOO_MANY_CONNECTIONS = "TooManyConnections"


# The API server takes 32,768 characters; an admission webhook may have more to say.
_MOST_MESSAGE = 32_000


@dataclass(frozen=True)
class Condition:
    """One condition as this pass sees it; its transition time is added by `merged`."""

    type: Type
    status: bool | None
    # A Reason; a kept condition may carry one of another version of the operator.
    reason: str
    message: str

    @property
    def status_text(self) -> str:
        """The status as Kubernetes writes it."""
        return "Unknown" if self.status is None else str(self.status)


def merged(
    conditions: Iterable[Condition],
    *,
    previous: Iterable[Mapping[str, Any]],
    generation: int,
    now: str,
) -> list[dict[str, Any]]:
    """Return the conditions for `.status`, oldest transition times kept while a status stays.

    `now` is an RFC 3339 time; `previous` is what `.status.conditions` holds.
    """
    before = {old["type"]: old for old in previous}
    return [
        {
            "type": str(condition.type),
            "status": condition.status_text,
            "reason": str(condition.reason),
            "message": condition.message[:_MOST_MESSAGE],
            "observedGeneration": generation,
            "lastTransitionTime": _transition_time(condition, before.get(condition.type), now),
        }
        for condition in conditions
    ]


def _transition_time(condition: Condition, old: Mapping[str, Any] | None, now: str) -> str:
    if old is not None and old.get("status") == condition.status_text:
        return str(old["lastTransitionTime"])
    return now
