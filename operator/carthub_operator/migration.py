"""How far the migrations of a CartService are: pure, from its Deployment, Job and pods."""

from collections.abc import Iterable, Mapping
from typing import Any

from carthub_operator import rollout
from carthub_operator.api import names
from carthub_operator.desired.facts import DatabaseCredentials, MigrationState

LABEL_JOB = "batch.kubernetes.io/job-name"
_MAX_WORDS = 1000


def state(
    key: str, *, deployment: Mapping[str, Any] | None, job: Mapping[str, Any] | None
) -> MigrationState:
    """Return how far the migrations are that `key` names, for one image and database.

    The Deployment remembers what has succeeded; the Job goes when its time to live is over.
    """
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


def is_overtaken(job: Mapping[str, Any], credentials: DatabaseCredentials) -> bool:
    """Tell whether a Job was made before the credentials changed: its failure says nothing now.

    Both are RFC 3339 in UTC to the second, so they compare as texts.
    """
    return str(job["metadata"].get("creationTimestamp", "")) < credentials.changed_at


def last_words(job: Mapping[str, Any], pods: Iterable[Mapping[str, Any]]) -> str:
    """Return why a Job failed: what its youngest pod left to say, else what Kubernetes says."""
    name = job["metadata"]["name"]
    own = [pod for pod in pods if (pod["metadata"].get("labels") or {}).get(LABEL_JOB) == name]
    own.sort(key=lambda pod: str(pod["metadata"].get("creationTimestamp")), reverse=True)
    for pod in own:
        for container in pod.get("status", {}).get("containerStatuses") or ():
            ended = container.get("state", {}).get("terminated") or {}
            if words := str(ended.get("message") or "").strip():
                return words[:_MAX_WORDS]
    return str(rollout.condition(job, "Failed").get("message") or "")
