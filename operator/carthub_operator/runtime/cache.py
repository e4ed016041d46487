"""What the watches have seen, and what the operator itself has written since.

Written through: a pass that follows its own writes sees them, though the watch is behind. Older
news never replaces newer: resource versions can be ordered
(kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions).

Objects are kept packed: as Python's dictionaries a CartService with its children and pods takes
some 300 KiB, packed 25, and a pass unpacks in a millisecond what it needs.
"""

import json
import sys
import threading
import time
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from carthub_operator import kinds
from carthub_operator.api import names
from carthub_operator.api.resource import Key
from carthub_operator.desired.facts import Manifest
from carthub_operator.kinds import Kind

# Longer than a listing or a write takes.
_LISTING_SECONDS = 600.0
_OUR_MANAGERS = frozenset({names.FIELD_MANAGER, names.REPLICAS_FIELD_MANAGER})


@dataclass(frozen=True, order=True, slots=True)
class _Place:
    kind: str
    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class _Owner:
    # An object of another namespace may carry the same label: a copy, or worse.
    namespace: str
    uid: str


@dataclass(frozen=True, slots=True)
class _Shown:
    """What each scrape of the metrics asks for, of a CartService: not to be unpacked every time."""

    conditions: tuple[Mapping[str, str], ...]
    secret_changed_at: str | None


@dataclass(frozen=True, slots=True)
class _Entry:
    packed: bytes
    version: int
    owner: "_Owner | None"
    seen_at: float
    shown: "_Shown | None"

    def live(self) -> Manifest:
        """Return the object, a copy of its own for everybody who asks."""
        found: Manifest = json.loads(zlib.decompress(self.packed))
        return found


class ObjectCache:
    """The live objects, by kind, namespace and name; safe to use from several threads."""

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._objects: dict[_Place, _Entry] = {}
        self._by_owner: defaultdict[_Owner, set[_Place]] = defaultdict(set)
        # By uid: in which version it was deleted, and when that was heard, the oldest first.
        self._deleted: dict[str, tuple[int, float]] = {}

    def resource(self, key: Key) -> Manifest | None:
        """Return the CartService, or None where there is none."""
        with self._lock:
            entry = self._objects.get(_Place(names.KIND, key.namespace, key.name))
        return entry.live() if entry else None

    def keys(self) -> list[Key]:
        """Return every CartService there is."""
        with self._lock:
            return [Key(p.namespace, p.name) for p in self._objects if p.kind == names.KIND]

    def conditions(self) -> list[tuple[Key, Mapping[str, Any]]]:
        """Return type, status and reason of every condition that the statuses tell."""
        return [(key, condition) for key, shown in self._shown() for condition in shown.conditions]

    def secret_changes(self) -> list[tuple[Key, str]]:
        """Return when the credentials in use last changed, as the statuses tell: RFC 3339."""
        return [
            (key, shown.secret_changed_at)
            for key, shown in self._shown()
            if shown.secret_changed_at
        ]

    def children(self, namespace: str, uid: str) -> Sequence[Manifest]:
        """Return the objects that carry the label of this CartService, pods not."""
        return self._owned(_Owner(namespace, uid), lambda kind: kind != kinds.POD.name)

    def pods(self, namespace: str, uid: str) -> Sequence[Manifest]:
        """Return the pods that carry the label of this CartService."""
        return self._owned(_Owner(namespace, uid), lambda kind: kind == kinds.POD.name)

    def put(self, manifest: Manifest) -> bool:
        """Remember an object as the API server answered it; return whether that was news."""
        place, version, owner = _place(manifest), _version(manifest), _owner(manifest)
        with self._lock:
            known = self._objects.get(place)
            if known is not None and known.version >= version:
                return False
            if version < self._deleted.get(manifest["metadata"]["uid"], (0, 0.0))[0]:
                # A listing or a write of ours that was under way when it went.
                return False
            if known is not None:
                self._remove(place)
            self._objects[place] = _Entry(
                _packed(manifest), version, owner, self._monotonic(), _shown(manifest)
            )
            if owner:
                self._by_owner[owner].add(place)
            return True

    def discard(self, manifest: Manifest) -> bool:
        """Forget an object, unless one made or changed since then is known; return whether."""
        place = _place(manifest)
        with self._lock:
            entry = self._objects.get(place)
            if entry is None or entry.version > _version(manifest):
                return False
            self._remove(place)
            return True

    def forget(self, kind: str, namespace: str, name: str) -> None:
        """Forget whatever is known of an object by its name."""
        place = _Place(kind, namespace, name)
        with self._lock:
            if place in self._objects:
                self._remove(place)

    def deleted(self, manifest: Manifest) -> bool:
        """Forget an object for good, as `discard` does: nothing older brings it back."""
        now = self._monotonic()
        with self._lock:
            # Taken out first: a known key keeps its old place, and the oldest come first.
            self._deleted.pop(manifest["metadata"]["uid"], None)
            self._deleted[manifest["metadata"]["uid"]] = (_version(manifest), now)
            for uid, (_, heard_at) in list(self._deleted.items()):
                if heard_at >= now - _LISTING_SECONDS:
                    break
                del self._deleted[uid]
        return self.discard(manifest)

    def replace(
        self, kind: Kind, listed: Iterable[Manifest], *, since: float, namespace: str | None
    ) -> Iterator[Key | None]:
        """Take a complete listing that began at `since`; yield whose the missed objects are.

        Those are what the watch had not told. What was seen after the listing began is newer than
        the listing. None: all namespaces. The listed objects are let go of one by one: after a
        start all of them are news.
        """
        found = set()
        for manifest in listed:
            found.add(_place(manifest))
            if self.put(manifest):
                yield owner_key(manifest)
        with self._lock:
            gone = [
                place
                for place, entry in self._objects.items()
                if place.kind == kind.name
                and namespace in {None, place.namespace}
                and place not in found
                and entry.seen_at < since
            ]
            vanished = [self._objects[place].live() for place in gone]
            for place in gone:
                self._remove(place)
        yield from map(owner_key, vanished)

    def _shown(self) -> list[tuple[Key, _Shown]]:
        with self._lock:
            return [
                (Key(place.namespace, place.name), entry.shown)
                for place, entry in self._objects.items()
                if entry.shown is not None
            ]

    def _owned(self, owner: _Owner, is_wanted: Callable[[str], bool]) -> list[Manifest]:
        with self._lock:
            places = sorted(self._by_owner.get(owner, ()))
            entries = [self._objects[place] for place in places if is_wanted(place.kind)]
        return [entry.live() for entry in entries]

    def _remove(self, place: _Place) -> None:
        owner = self._objects.pop(place).owner
        if owner:
            self._by_owner[owner].discard(place)
            if not self._by_owner[owner]:
                del self._by_owner[owner]


def owner_key(manifest: Manifest) -> Key | None:
    """Return which CartService an object is or belongs to: by its controller, or its labels.

    Labels are what people edit; pods, whose controller is another, have nothing else.
    """
    metadata = manifest["metadata"]
    if manifest["kind"] == names.KIND:
        return Key(metadata["namespace"], metadata["name"])
    for owner in metadata.get("ownerReferences") or ():
        if owner.get("controller") and owner.get("kind") == names.KIND:
            return Key(metadata["namespace"], owner["name"])
    labels = metadata.get("labels") or {}
    if labels.get(names.LABEL_OWNER_UID) and labels.get(names.LABEL_INSTANCE):
        return Key(metadata["namespace"], labels[names.LABEL_INSTANCE])
    return None


def _trimmed(manifest: Manifest) -> Manifest:
    """Return the object without what other field managers own: half of its size."""
    metadata = dict(manifest["metadata"])
    if "managedFields" in metadata:
        metadata["managedFields"] = [
            entry for entry in metadata["managedFields"] if entry.get("manager") in _OUR_MANAGERS
        ]
    return {**manifest, "metadata": metadata}


def _packed(manifest: Manifest) -> bytes:
    text = json.dumps(_trimmed(manifest), separators=(",", ":"))
    return zlib.compress(text.encode(), level=1)


def _shown(manifest: Manifest) -> _Shown | None:
    if manifest["kind"] != names.KIND:
        return None
    status = manifest.get("status") or {}
    conditions = tuple(
        # The same few words a thousand times.
        {key: sys.intern(one.get(key, "")) for key in ("type", "status", "reason")}
        for one in status.get("conditions", ())
    )
    return _Shown(conditions, (status.get("database") or {}).get("secretChangedAt"))


def _place(manifest: Manifest) -> _Place:
    metadata = manifest["metadata"]
    return _Place(manifest["kind"], metadata["namespace"], metadata["name"])


def _version(manifest: Manifest) -> int:
    return int(manifest["metadata"]["resourceVersion"])


def _owner(manifest: Manifest) -> _Owner | None:
    metadata = manifest["metadata"]
    uid = (metadata.get("labels") or {}).get(names.LABEL_OWNER_UID)
    return _Owner(metadata["namespace"], uid) if uid and manifest["kind"] != names.KIND else None
