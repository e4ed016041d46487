"""A namespace with CartServices on a real API server, and what a test does with them.

There are no nodes: what kubelets would report of pods is played. The controllers behind them
(ReplicaSet, Deployment, Job, garbage collection) are the real ones.
"""

import base64
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from kubernetes import client

from carthub_dev.control_plane import ControlPlane
from carthub_operator import kinds
from carthub_operator.kinds import Kind
from tests.support import control_plane
from tests.support.resources import raw_cart_service

T = TypeVar("T")
Object = dict[str, Any]

CHILDREN = {
    "ServiceAccount": "backend",
    "NetworkPolicy": "backend-network-policy",
    "Service": "backend-service",
    "PodDisruptionBudget": "backend-pdb",
    "Secret": "backend-db",
    "Deployment": "backend-deployment",
    "HorizontalPodAutoscaler": "backend-hpa",
}
_REQUEST_SECONDS = 20
_THEN = "2026-01-01T00:00:00Z"
_LABEL_JOB = "batch.kubernetes.io/job-name"


class LiveCart:
    """The CartService `backend` of a namespace, and everything around it."""

    def __init__(self, api: client.ApiClient, namespace: str) -> None:
        self.api = api
        self.namespace = namespace
        # The last words of a failing migration; None: it succeeds.
        self.migration_fails: str | None = None
        # What a kubelet would report of the migration's pods instead; None: that they ended.
        self.migration_status: Callable[[Object], Object] | None = None
        # What a kubelet would report of the API's pods.
        self.pod_status: Callable[[Object], Object] = running

    def apply(self, **spec: Any) -> Object:
        """Apply the CartService as a user with `kubectl apply --server-side`."""
        manifest = raw_cart_service(namespace=self.namespace, **spec)
        query = [("fieldManager", "kubectl"), ("force", "true")]
        # As text: the client would escape what is beyond U+FFFF in a form that is not YAML.
        text = json.dumps(manifest, ensure_ascii=False)
        return self._call("PATCH", self._path("CartService", "backend"), text, query=query)

    def patch(self, kind: str, name: str, change: object, *, subresource: str = "") -> Object:
        """Change an object as `kubectl patch --type=merge`, or json for a list."""
        path = self._path(kind, name) + subresource
        content = "json-patch" if isinstance(change, list) else "merge-patch"
        query = [("fieldManager", "kubectl-edit")]
        return self._call("PATCH", path, change, query=query, content=f"application/{content}+json")

    def create(self, manifest: Object) -> Object:
        """Create any object."""
        kind = _kind(manifest["kind"])
        return self._call("POST", kind.path(namespace=self.namespace), manifest)

    def delete(self, kind: str, name: str) -> None:
        """Delete an object as `kubectl delete`."""
        self._call("DELETE", self._path(kind, name), {"propagationPolicy": "Background"})

    def get(self, kind: str, name: str) -> Object | None:
        """Return an object, or None."""
        try:
            return self._call("GET", self._path(kind, name))
        except client.ApiException as error:
            if error.status == 404:
                return None
            raise

    def child(self, kind: str) -> Object:
        """Return a child that must be there."""
        found = self.get(kind, CHILDREN[kind])
        assert found is not None, f"{kind} {CHILDREN[kind]} is missing"
        return found

    def items(self, kind: str) -> list[Object]:
        """Return all objects of a kind in the namespace."""
        found: list[Object] = self._call("GET", _kind(kind).path(namespace=self.namespace))["items"]
        return found

    def resource(self) -> Object:
        """Return the CartService."""
        found = self.get("CartService", "backend")
        assert found is not None
        return found

    def condition(self, kind: str) -> Object:
        """Return a condition for the current generation, empty while it is not told."""
        resource = self.resource()
        for told in resource["status"].get("conditions", ()):
            if told["type"] == kind:
                is_current = told["observedGeneration"] == resource["metadata"]["generation"]
                found: Object = told if is_current else {}
                return found
        return {}

    def events(self) -> list[Object]:
        """Return the Events of the CartService, in their order."""
        uid = self.resource()["metadata"]["uid"]
        found = [one for one in self.items("Event") if one["regarding"].get("uid") == uid]
        return sorted(found, key=lambda one: str(one["eventTime"]))

    def secret(self) -> dict[str, str]:
        """Return the texts in the Secret `backend-db`."""
        data = self.child("Secret")["data"]
        return {key: base64.b64decode(value).decode() for key, value in data.items()}

    def eventually(
        self, look: Callable[[], T | None], *, what: str, timeout_seconds: float = 60
    ) -> T:
        """Return the first true answer of `look`, while pods are played."""
        deadline = time.monotonic() + timeout_seconds
        while True:
            if answer := look():
                return answer
            if time.monotonic() > deadline:
                told = json.dumps(self.resource().get("status"), indent=1)
                raise AssertionError(f"not within {timeout_seconds:g} s: {what}\n{told}")
            self.play()
            time.sleep(0.02)

    def wait_for(self, kind: str, status: str, reason: str = "", **kwargs: Any) -> Object:
        """Wait for a condition of the current generation."""

        def look() -> Object | None:
            told = self.condition(kind)
            is_it = told.get("status") == status and reason in {"", told.get("reason")}
            return told if is_it else None

        return self.eventually(look, what=f"{kind} is {status} {reason}", **kwargs)

    def wait_ready(self, **kwargs: Any) -> Object:
        """Wait until it is Ready and nothing about it moves."""
        return self.wait_for("Ready", "True", **kwargs)

    def play(self) -> None:
        """Report every pending pod as Ready, every pod of a Job as ended."""
        for pod in self.items("Pod"):
            if pod["status"].get("phase") != "Pending":
                continue
            is_job = _LABEL_JOB in pod["metadata"]["labels"]
            status = self._migration(pod) if is_job else self.pod_status(pod)
            try:
                self.patch(
                    "Pod", pod["metadata"]["name"], {"status": status}, subresource="/status"
                )
            except client.ApiException as error:
                if error.status != 404:
                    raise

    def _migration(self, pod: Object) -> Object:
        if self.migration_status is not None:
            return self.migration_status(pod)
        return _ended(pod, self.migration_fails)

    def _path(self, kind: str, name: str) -> str:
        return _kind(kind).path(namespace=self.namespace, name=name)

    def _call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        query: list[tuple[str, str]] | None = None,
        content: str = "application/apply-patch+yaml; charset=utf-8",
    ) -> Object:
        found: Object = self.api.call_api(
            path,
            method,
            query_params=query or [],
            header_params={
                "Accept": "application/json",
                "Content-Type": content if method == "PATCH" else "application/json",
            },
            body=body,
            auth_settings=["BearerToken"],
            response_types_map=dict.fromkeys((200, 201, 202), "object"),
            _request_timeout=_REQUEST_SECONDS,
        )[0]
        return found


@contextmanager
def live_cart(plane: ControlPlane) -> Iterator[LiveCart]:
    """Yield a new namespace for a CartService; it enforces Pod Security restricted."""
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    with (
        control_plane.api_client(plane.kubeconfig) as api,
        control_plane.new_namespace(api, labels=labels) as namespace,
    ):
        yield LiveCart(api, namespace)


def _kind(name: str) -> Kind:
    return kinds.BY_NAME[name]


def running(pod: Object) -> Object:
    """Return the status of a pod that serves."""
    conditions = ("PodScheduled", "Initialized", "ContainersReady", "Ready")
    state = {"running": {"startedAt": _THEN}}
    return {
        "phase": "Running",
        "conditions": [
            {"type": kind, "status": "True", "lastTransitionTime": _THEN} for kind in conditions
        ],
        "containerStatuses": container_statuses(pod, state, is_ready=True),
    }


def waiting(pod: Object, reason: str) -> Object:
    """Return the status of a pod whose container cannot start."""
    state = {"waiting": {"reason": reason, "message": "back-off"}}
    return {
        "phase": "Pending",
        "containerStatuses": container_statuses(pod, state, is_ready=False),
    }


def _ended(pod: Object, words: str | None) -> Object:
    ended = {
        "exitCode": 0 if words is None else 1,
        "message": words or "",
        "startedAt": _THEN,
        "finishedAt": _THEN,
    }
    return {
        "phase": "Succeeded" if words is None else "Failed",
        "containerStatuses": container_statuses(pod, {"terminated": ended}, is_ready=False),
    }


def container_statuses(pod: Object, state: Object, *, is_ready: bool) -> list[Object]:
    return [
        {
            "name": container["name"],
            "image": container["image"],
            "imageID": "",
            "ready": is_ready,
            "restartCount": 0,
            "state": state,
        }
        for container in pod["spec"]["containers"]
    ]
