"""Bringing one child to what it should be: create it, correct it, or find it somebody else's.

A label index cannot see an object of somebody else that holds the name, and server-side apply
would silently merge into it. So an object that is not known is created, never applied; after a 409
it is read, and only then it is decided whose it is.
"""

from collections.abc import Callable, Mapping
from typing import Any

from carthub_operator import compare, kinds
from carthub_operator.api import names
from carthub_operator.api.resource import CartService
from carthub_operator.contracts import Cache, Cluster
from carthub_operator.desired.children import ChildKey, key_of
from carthub_operator.desired.facts import Manifest
from carthub_operator.errors import Conflict, NameTaken, Rejected
from carthub_operator.news import Change


def is_of(live: Mapping[str, Any], resource: CartService) -> bool:
    """Tell whether an object belongs to a CartService: by its controller, or by our label."""
    metadata = live["metadata"]
    if (metadata.get("labels") or {}).get(names.LABEL_OWNER_UID) == resource.uid:
        return True
    owners = metadata.get("ownerReferences") or ()
    return any(owner.get("controller") and owner["uid"] == resource.uid for owner in owners)


class Children:
    """The children of one CartService during one pass, and what was changed in them."""

    def __init__(self, cluster: Cluster, cache: Cache, resource: CartService) -> None:
        self.changes: list[Change] = []
        self._cluster = cluster
        self._cache = cache
        self._resource = resource
        self._live = {
            ChildKey(child["kind"], child["metadata"]["name"]): child
            for child in cache.children(resource.namespace, resource.uid)
        }

    def get(self, kind: str, name: str) -> Manifest | None:
        """Return a child as it is now, or None."""
        return self._live.get(ChildKey(kind, name))

    def differs(self, manifest: Manifest, *, field_manager: str = names.FIELD_MANAGER) -> bool:
        """Tell whether applying it would change anything; what is being deleted is left alone."""
        live = self._live.get(key_of(manifest))
        return live is None or (
            not _is_going(live) and compare.differs(manifest, live, field_manager=field_manager)
        )

    def ensure(self, manifest: Manifest) -> bool:
        """Make the child what the manifest says, and return whether it is new; raises NameTaken."""
        if not self.differs(manifest):
            return False
        if key_of(manifest) in self._live:
            try:
                self._correct(manifest, field_manager=names.FIELD_MANAGER)
            except Conflict:
                # Deleted meanwhile, perhaps made anew. The cache goes by what is seen: one that
                # it forgot, and that lives, would be pruned by nobody.
                del self._live[key_of(manifest)]
            else:
                return False
        if self.ensure_exists(manifest):
            return True
        if self.differs(manifest):
            self._correct(manifest, field_manager=names.FIELD_MANAGER)
        return False

    def ensure_part(self, manifest: Manifest, *, field_manager: str) -> None:
        """Make a part of a child what the manifest says, where the child exists."""
        if key_of(manifest) in self._live and self.differs(manifest, field_manager=field_manager):
            self._correct(manifest, field_manager=field_manager)

    def ensure_exists(self, manifest: Manifest) -> bool:
        """Create the child where there is none, and return whether; raises NameTaken."""
        if key_of(manifest) in self._live:
            return False
        try:
            self._keep(self._cluster.create(manifest), "created")
        except Conflict:
            self._keep(self._own(manifest))
            return False
        return True

    def read(self, name: str) -> None:
        """Learn how a Secret of ours is now; they are not watched."""
        found = self._cluster.get(kinds.SECRET, self._resource.namespace, name)
        if found is not None and is_of(found, self._resource):
            self._keep(found)
        else:
            self._drop(ChildKey("Secret", name))

    def unwanted(self, is_wanted: Callable[[ChildKey], bool]) -> list[Manifest]:
        """Return what is ours and no longer wanted.

        Of other kinds each CartService has one: a second can only be a copy that somebody made.
        """
        return [
            live
            for key, live in self._live.items()
            if key.kind in kinds.OPTIONAL and not is_wanted(key) and not _is_going(live)
        ]

    def prune(self, is_wanted: Callable[[ChildKey], bool]) -> None:
        """Delete what is ours and no longer wanted."""
        for live in self.unwanted(is_wanted):
            self.remove(live)

    def remove(self, live: Manifest) -> None:
        """Delete one child; raises Conflict where that is refused for now."""
        key, kind = key_of(live), kinds.BY_NAME[live["kind"]]
        uid = live["metadata"]["uid"]
        try:
            self._cluster.delete(kind, self._resource.namespace, key.name, uid=uid)
        except Conflict:
            found = self._cluster.get(kind, self._resource.namespace, key.name)
            if found is not None and found["metadata"]["uid"] == uid:
                raise
        self._drop(key)
        self.changes.append(Change("removed", key.kind, key.name))

    def _correct(self, manifest: Manifest, *, field_manager: str) -> None:
        before = self._live[key_of(manifest)]["metadata"]
        uid = before["uid"]
        try:
            corrected = self._cluster.apply(manifest, uid=uid, field_manager=field_manager)
        except Rejected:
            # It may be what somebody else put beside ours, such as a port without a name.
            self._cluster.overwrite(manifest, uid=uid)
            corrected = self._cluster.apply(manifest, uid=uid, field_manager=field_manager)
        is_changed = corrected["metadata"]["resourceVersion"] != before["resourceVersion"]
        self._keep(corrected, "changed" if is_changed else None)

    def _own(self, manifest: Manifest) -> Manifest:
        """Return the object that holds a child's name; raises NameTaken unless it is ours."""
        key = key_of(manifest)
        found = self._cluster.get(kinds.BY_NAME[key.kind], self._resource.namespace, key.name)
        if found is None:
            raise Conflict(f"{key.kind} {key.name} came and went")
        if not is_of(found, self._resource):
            if _is_going(found) or _is_of_a_predecessor(found, self._resource):
                raise Conflict(f"{key.kind} {key.name} is still being deleted")
            raise NameTaken(
                f"{key.kind} {key.name} exists and does not belong to this CartService: delete or"
                " rename it, or give the CartService another name"
            )
        return found

    def _keep(self, live: Manifest, action: str | None = None) -> None:
        key = key_of(live)
        self._live[key] = live
        self._cache.put(live)
        is_new = Change("created", key.kind, key.name) in self.changes
        if action is not None and not is_new:
            self.changes.append(Change(action, key.kind, key.name))

    def _drop(self, key: ChildKey) -> None:
        live = self._live.pop(key, None)
        if live is not None:
            self._cache.discard(live)


def _is_of_a_predecessor(live: Mapping[str, Any], resource: CartService) -> bool:
    """Tell whether the garbage collector will take it, with a deleted CartService of this name."""
    return any(
        owner.get("controller")
        and owner["kind"] == names.KIND
        and (owner["name"], owner["apiVersion"]) == (resource.name, names.API_VERSION)
        for owner in live["metadata"].get("ownerReferences") or ()
    )


def _is_going(live: Mapping[str, Any]) -> bool:
    return "deletionTimestamp" in live["metadata"]
