"""How far the migrations of a CartService are: pure, from its Deployment, Job and pods."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from carthub_operator import rollout
from carthub_operator.api import names
from carthub_operator.api.conditions import Reason
from carthub_operator.desired.facts import MigrationState

# A Job that was made anew has the name of the one before, whose pod may take its time to go.
_LABEL_JOB_UID = "batch.kubernetes.io/controller-uid"
_MAX_WORDS = 1000


@dataclass(frozen=True)
class Progress:
    """How far the migrations are, and what keeps them from going on.

    `message` is why they failed, or what they wait for; `trouble` is why the pod cannot start,
    which nobody mends by waiting. An overtaken Job is to be made anew: its failure says nothing
    of the present spec and credentials.
    """

    state: MigrationState = MigrationState.NOT_STARTED
    message: str = ""
    trouble: tuple[Reason, str] | None = None
    is_overtaken: bool = False


def progress(
    key: str,
    *,
    deployment: Mapping[str, Any] | None,
    job: Mapping[str, Any] | None,
    pods: Iterable[Mapping[str, Any]],
    is_of_another_spec: bool,
    credentials_changed_at: str,
) -> Progress:
    """Return how far the migrations are that `key` names, for one image and database."""
    state = _state(key, deployment=deployment, job=job)
    if job is None or state in {MigrationState.NOT_STARTED, MigrationState.SUCCEEDED}:
        return Progress(state)
    own = _pods_of(job, pods)
    if state is MigrationState.FAILED:
        # Both are RFC 3339 in UTC to the second, so they compare as texts.
        created_at = str(job["metadata"].get("creationTimestamp", ""))
        if is_of_another_spec or created_at < credentials_changed_at:
            return Progress(is_overtaken=True)
        return Progress(state, _last_words(job, own))
    trouble = rollout.trouble(own)
    if trouble and is_of_another_spec:
        return Progress(is_overtaken=True)
    return Progress(state, rollout.unschedulable(own) or "", trouble)


def _state(
    key: str, *, deployment: Mapping[str, Any] | None, job: Mapping[str, Any] | None
) -> MigrationState:
    """Return the state; the Deployment remembers what has succeeded, for the Job goes in time."""
    annotations = deployment["metadata"].get("annotations") or {} if deployment else {}
    if annotations.get(names.ANNOTATION_MIGRATED) == key:
        return MigrationState.SUCCEEDED
    if job is None or "deletionTimestamp" in job["metadata"]:
        return MigrationState.NOT_STARTED
    for kind, found in (
        ("Complete", MigrationState.SUCCEEDED),
        ("Failed", MigrationState.FAILED),
    ):
        if rollout.condition(job, kind).get("status") == "True":
            return found
    return MigrationState.RUNNING


def _pods_of(
    job: Mapping[str, Any], pods: Iterable[Mapping[str, Any]]
) -> Sequence[Mapping[str, Any]]:
    """Return the pods of a Job, the youngest first."""
    uid = job["metadata"]["uid"]
    own = [pod for pod in pods if (pod["metadata"].get("labels") or {}).get(_LABEL_JOB_UID) == uid]
    own.sort(key=lambda pod: str(pod["metadata"].get("creationTimestamp")), reverse=True)
    return own


def _last_words(job: Mapping[str, Any], pods: Iterable[Mapping[str, Any]]) -> str:
    """Return why a Job failed: what its youngest pod left to say, else what Kubernetes says."""
    for pod in pods:
        for container in pod.get("status", {}).get("containerStatuses") or ():
            ended = container.get("state", {}).get("terminated") or {}
            if words := str(ended.get("message") or "").strip():
                return words[:_MAX_WORDS]
    return str(rollout.condition(job, "Failed").get("message") or "")
