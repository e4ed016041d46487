"""What a live Deployment and its pods say of a rollout: readings, without a verdict.

Measured on Kubernetes 1.36: with `maxUnavailable: 0` the Deployment's own Available turns False
each time the autoscaler adds a pod, and whenever one pod is away. It is therefore not used here.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from carthub_operator.api.conditions import Reason

_IMAGE_PULL = frozenset(
    {"ErrImagePull", "ImagePullBackOff", "ImageInspectError", "InvalidImageName"}
    | {"ErrImageNeverPull", "RegistryUnavailable"}
)
_NOT_STARTED = frozenset(
    {"CreateContainerConfigError", "CreateContainerError", "RunContainerError"}
    | {"PreStartHookError", "PostStartHookError"}
)
# A container that ends again and again is "waiting" only between its restarts; from this count
# on it is called a crash loop all the time, so that the status does not flicker.
_CRASHES = 2


def is_observed(deployment: Mapping[str, Any]) -> bool:
    """Return whether the Deployment's status speaks of its present spec."""
    seen: int = deployment.get("status", {}).get("observedGeneration", -1)
    return seen >= int(deployment["metadata"]["generation"])


def is_complete(deployment: Mapping[str, Any]) -> bool:
    """Return whether the rollout of the present template has come to its end.

    Stays so while the number of pods changes: that is no rollout.
    """
    live = deployment.get("status", {})
    return (
        is_observed(deployment)
        and live.get("updatedReplicas", 0) == live.get("replicas", 0)
        and condition(deployment, "Progressing").get("reason") == "NewReplicaSetAvailable"
    )


def is_rolled_out(deployment: Mapping[str, Any]) -> bool:
    """Return whether only pods of the present template run, and every one of them serves."""
    return is_complete(deployment) and available(deployment) >= wanted(deployment)


def wanted(deployment: Mapping[str, Any]) -> int:
    """Return how many pods the Deployment is to have now."""
    count: int = deployment["spec"].get("replicas", 1)
    return count


def available(deployment: Mapping[str, Any]) -> int:
    """Return how many pods serve, of any version."""
    count: int = deployment.get("status", {}).get("availableReplicas", 0)
    return count


def condition(live: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    """Return one condition of an object, empty where it has none of that type."""
    conditions = live.get("status", {}).get("conditions") or ()
    return next((told for told in conditions if told["type"] == kind), {})


def pod_trouble(
    deployment: Mapping[str, Any], pods: Iterable[Mapping[str, Any]]
) -> tuple[Reason, str] | None:
    """Return why pods of the present template cannot start, or None.

    Pods of an earlier template do not count: whoever has just mended a bad image, or given more
    memory, must not be told of it again.
    """
    return trouble(_of_template(deployment, pods)) if is_observed(deployment) else None


def trouble(pods: Iterable[Mapping[str, Any]]) -> tuple[Reason, str] | None:
    """Return why one of these pods cannot start, or None."""
    for pod in pods:
        for container in pod.get("status", {}).get("containerStatuses") or ():
            if found := _container_trouble(pod["metadata"]["name"], container):
                return found
    return None


def hindrance(deployment: Mapping[str, Any], pods: Iterable[Mapping[str, Any]]) -> str | None:
    """Return what keeps pods from coming that may pass by itself, or None."""
    failure = condition(deployment, "ReplicaFailure")
    if failure.get("status") == "True":
        return f"pods cannot be created: {failure.get('message', failure.get('reason'))}"
    return unschedulable(_of_template(deployment, pods))


def unschedulable(pods: Iterable[Mapping[str, Any]]) -> str | None:
    """Return which of these pods no node takes, and why, or None."""
    for pod in pods:
        scheduled = condition(pod, "PodScheduled")
        if scheduled.get("reason") == "Unschedulable":
            why = scheduled.get("message", "no node fits")
            return f"pod {pod['metadata']['name']} cannot be scheduled: {why}"
    return None


def _of_template(
    deployment: Mapping[str, Any], pods: Iterable[Mapping[str, Any]]
) -> list[Mapping[str, Any]]:
    """Return the pods of the present template, always in the same order."""
    template = deployment["spec"]["template"]
    ours = template["spec"]["containers"][0]
    annotations = (template.get("metadata", {}).get("annotations") or {}).items()
    replica_set = _present_replica_set(deployment)
    return sorted(
        (
            pod
            for pod in pods
            if "deletionTimestamp" not in pod["metadata"]
            and (replica_set is None or replica_set in _owners(pod))
            and (pod["metadata"].get("annotations") or {}).items() >= annotations
            and any(_is_made_from(ours, container) for container in pod["spec"]["containers"])
        ),
        key=lambda pod: str(pod["metadata"]["name"]),
    )


def _present_replica_set(deployment: Mapping[str, Any]) -> str | None:
    """Return the name of the ReplicaSet that is being rolled out, None where nobody says.

    Kubernetes has it in the message of Progressing only. Where another template was tried before,
    that may for a moment be the one before: so it is asked for beside what can be compared.
    """
    name = re.escape(deployment["metadata"]["name"])
    message = condition(deployment, "Progressing").get("message") or ""
    found = re.search(rf'"({name}-[a-z0-9]+)"', message)
    return found[1] if found else None


def _owners(pod: Mapping[str, Any]) -> list[str]:
    return [owner["name"] for owner in pod["metadata"].get("ownerReferences") or ()]


def _is_made_from(template: Mapping[str, Any], container: Mapping[str, Any]) -> bool:
    # Admission may add variables to a pod, as EKS does for Pod Identity.
    there = container.get("env") or []
    return container["image"] == template["image"] and all(
        variable in there for variable in template.get("env") or ()
    )


def _container_trouble(pod: str, container: Mapping[str, Any]) -> tuple[Reason, str] | None:
    waiting = container.get("state", {}).get("waiting") or {}
    why = waiting.get("reason")
    if why in _IMAGE_PULL:
        # One word for all of them: the kubelet goes back and forth between two.
        return Reason.IMAGE_PULL_FAILED, (
            f"Pod {pod} cannot pull {container.get('image') or 'its image'}: correct spec.image"
            " or spec.imagePullSecrets"
        )
    if why in _NOT_STARTED:
        # The kubelet names objects and keys here, never a value.
        return Reason.CONTAINER_NOT_STARTED, (
            f"The container of pod {pod} cannot start: {waiting.get('message') or why}"
        )
    ended = container.get("lastState", {}).get("terminated") or {}
    is_crashing = (
        container.get("restartCount", 0) >= _CRASHES
        and not container.get("ready")
        and ended.get("exitCode", 0) != 0
    )
    if why == "CrashLoopBackOff" or is_crashing:
        return Reason.CRASH_LOOP, (
            f"Pod {pod} ends again and again (exit code {ended.get('exitCode', 'unknown')}): see"
            f" `kubectl logs {pod} --previous`"
        )
    return None
