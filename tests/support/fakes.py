"""What stands in for the world around a reconcile: a cluster in memory, AWS, a clock."""

import copy
import itertools
import json
from collections.abc import Callable, Mapping
from typing import Any

from carthub_operator import errors
from carthub_operator.api import names
from carthub_operator.api.resource import Key
from carthub_operator.contracts import Login, Reading, SecretReference
from carthub_operator.desired.facts import DatabaseCredentials
from carthub_operator.kinds import Kind
from carthub_operator.runtime.cache import ObjectCache

Object = dict[str, Any]

_KEYS = {
    "containers": ("name",),
    "env": ("name",),
    "ownerReferences": ("uid",),
    "topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
    "volumeMounts": ("mountPath",),
    "volumes": ("name",),
}


class FakeCluster:
    """Objects in memory, with the parts of server-side apply that a reconcile relies on.

    `fails` is asked before every request, with its number, and may raise. The requests that
    `refuses` names are answered with `refusal`.
    """

    def __init__(self, fails: Callable[[int], None] = lambda _: None) -> None:
        self.objects: dict[tuple[str, str, str], Object] = {}
        self.requests: list[str] = []
        self.events: list[Object] = []
        self.fails = fails
        self.refuses: set[str] = set()
        self.refusal: errors.CarthubError = errors.ClusterUnavailable("it does not answer")
        self._versions = itertools.count(1)

    @property
    def writes(self) -> list[str]:
        """The requests that changed something."""
        return [one for one in self.requests if not one.startswith("get ")]

    def add(self, manifest: Object) -> Object:
        """Put an object there, as if somebody else had made it."""
        live = copy.deepcopy(manifest)
        version = next(self._versions)
        made = {"uid": f"uid-{version}", "creationTimestamp": "2026-01-02T03:04:05Z"}
        live["metadata"] = {**made, **live["metadata"]}
        live["metadata"]["resourceVersion"] = str(version)
        self.objects[_place(live)] = live
        return copy.deepcopy(live)

    def find(self, kind: str, name: str) -> Object:
        """Return an object that must be there."""
        return next(
            live for place, live in self.objects.items() if (place[0], place[2]) == (kind, name)
        )

    def create(self, manifest: Object) -> Object:
        self._request("create", manifest)
        if _place(manifest) in self.objects:
            raise errors.Conflict("it exists")
        return self._applied(None, manifest, names.FIELD_MANAGER)

    def apply(
        self, manifest: Object, *, uid: str, field_manager: str = names.FIELD_MANAGER
    ) -> Object:
        self._request("apply", manifest)
        return self._applied(self._same(manifest, uid), manifest, field_manager)

    def overwrite(self, manifest: Object, *, uid: str) -> Object:
        self._request("overwrite", manifest)
        return self._applied(self._same(manifest, uid), manifest, names.FIELD_MANAGER)

    def apply_status(self, manifest: Object, *, uid: str) -> Object:
        self._request("status", manifest)
        live = {**self._same(manifest, uid), "status": copy.deepcopy(manifest["status"])}
        return self.add(live)

    def get(self, kind: Kind, namespace: str, name: str) -> Object | None:
        self._count(f"get {kind.name} {name}")
        return copy.deepcopy(self.objects.get((kind.name, namespace, name)))

    def delete(self, kind: Kind, namespace: str, name: str, *, uid: str) -> None:
        self._count(f"delete {kind.name} {name}")
        live = self.objects.get((kind.name, namespace, name))
        if live is None:
            return
        if live["metadata"]["uid"] != uid:
            raise errors.Conflict("another")
        del self.objects[kind.name, namespace, name]

    def create_event(self, event: Object) -> None:
        self.events.append(event)

    def _request(self, verb: str, manifest: Object) -> None:
        self._count(f"{verb} {manifest['kind']} {manifest['metadata']['name']}")

    def _count(self, request: str) -> None:
        self.fails(len(self.requests))
        if request in self.refuses:
            raise self.refusal
        self.requests.append(request)

    def _same(self, manifest: Object, uid: str) -> Object:
        live = self.objects.get(_place(manifest))
        if live is None or live["metadata"]["uid"] != uid:
            raise errors.Conflict("another, or none")
        return live

    def _applied(self, live: Object | None, manifest: Object, field_manager: str) -> Object:
        merged = copy.deepcopy(live) if live else {}
        others = [
            entry
            for entry in merged.get("metadata", {}).get("managedFields", [])
            if entry["manager"] != field_manager
        ]
        # What one manager alone applied before and leaves out now would go; none of the tests
        # of a fake depends on it, those on a real API server do.
        _merge(merged, manifest)
        body = {key: value for key, value in manifest.items() if key not in {"apiVersion", "kind"}}
        body["metadata"] = {
            key: value
            for key, value in manifest["metadata"].items()
            if key not in {"name", "namespace"}
        }
        entry = {"manager": field_manager, "operation": "Apply", "fieldsV1": _fields(body)}
        merged["metadata"]["managedFields"] = [*others, entry]
        merged["metadata"].setdefault("generation", 1)
        return self.add(merged)


class FakeSchedule:
    """Secrets Manager as a reconcile sees it: one value at a time, or an error."""

    def __init__(self) -> None:
        self.version = "v1"
        self.fields: dict[str, object] = {"username": "carthub_app", "password": "s3cret"}
        self.error: errors.SecretError | None = None
        # What AWS said last.
        self.read = Reading()
        self.demands: list[str | None] = []
        self.forgotten: list[Key] = []

    def reading(
        self,
        key: Key,  # noqa: ARG002 - a protocol
        reference: SecretReference,  # noqa: ARG002 - a protocol
        *,
        interval_seconds: int,  # noqa: ARG002 - a protocol
        known_version: str | None,
        demand: str | None,
    ) -> Reading:
        self.demands.append(demand)
        if self.error is not None:
            return Reading(self.read.version_id, self.read.fields, self.error)
        self.read = Reading(self.version, None if known_version == self.version else self.fields)
        return self.read

    def forget(self, key: Key) -> None:
        self.forgotten.append(key)


class FakeLogins:
    """A database that takes every login, until told otherwise."""

    def __init__(self) -> None:
        self.answer = Login(is_accepted=True, max_connections=500)
        self.attempts: list[str] = []

    def attempt(
        self,
        credentials: DatabaseCredentials,
        *,
        ssl_mode: str,  # noqa: ARG002 - a protocol
        authority: str | None,  # noqa: ARG002 - a protocol
    ) -> Login:
        self.attempts.append(credentials.version_id)
        return self.answer


class FakeClock:
    """A time that moves when told to."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        self.time = "2026-01-02T03:04:05Z"

    def now(self) -> str:
        return self.time

    def now_precisely(self) -> str:
        return "2026-01-02T03:04:05.000000Z"

    def monotonic(self) -> float:
        return self.seconds


def synced(cluster: FakeCluster) -> ObjectCache:
    """Return a cache that has seen everything, as after a start."""
    cache = ObjectCache()
    for live in cluster.objects.values():
        if live["kind"] != "Secret":
            cache.put(live)
    return cache


def _place(manifest: Mapping[str, Any]) -> tuple[str, str, str]:
    metadata = manifest["metadata"]
    return manifest["kind"], metadata["namespace"], metadata["name"]


def _merge(live: Object, manifest: Mapping[str, Any]) -> None:
    for key, value in manifest.items():
        if isinstance(value, Mapping) and isinstance(live.get(key), dict):
            _merge(live[key], value)
        else:
            live[key] = copy.deepcopy(value)


def _fields(value: object, name: str = "") -> Object:
    if isinstance(value, Mapping):
        return {f"f:{key}": _fields(inner, key) for key, inner in value.items()}
    if isinstance(value, list) and name in _KEYS:
        return {
            "k:" + json.dumps({key: item[key] for key in _KEYS[name]}): {".": {}, **_fields(item)}
            for item in value
        }
    return {}
