"""Every version of an object that the API server has had, not only those that a poll meets."""

import json
from typing import Any

from carthub_operator import kinds
from tests.support.cluster import eventually
from tests.support.live_cart import LiveCart, Object

_REQUEST_SECONDS = 20


class History:
    """What becomes of the objects of a namespace from now on."""

    def __init__(self, cart: LiveCart, *names: str) -> None:
        self._cart = cart
        self._since = {
            kind: json.loads(self._get(kind))["metadata"]["resourceVersion"] for kind in names
        }

    def versions(self, kind: str) -> list[Object]:
        """Return all versions up to now, oldest first, each object as it was then.

        A watch from an old version is told everything since; the server keeps the last minutes.
        """
        last = max(map(revision, json.loads(self._get(kind))["items"]), default=0)

        def told() -> tuple[list[Object]] | None:
            found = self._told(kind)
            return (found,) if last <= max(map(revision, found), default=0) else None

        (versions,) = eventually(told, what=f"all versions of {kind}s up to {last}")
        return versions

    def _told(self, kind: str) -> list[Object]:
        """Return what a short watch is told, the oldest first: on a busy machine not all of it."""
        watch = {"watch": "true", "resourceVersion": self._since[kind], "timeoutSeconds": "2"}
        events = [json.loads(line) for line in self._get(kind, **watch).splitlines()]
        errors = [event["object"] for event in events if event["type"] == "ERROR"]
        assert not errors, errors
        return [event["object"] for event in events if event["type"] != "BOOKMARK"]

    def _get(self, kind: str, **query: str) -> str:
        answer = self._cart.api.call_api(
            kinds.BY_NAME[kind].path(namespace=self._cart.namespace),
            "GET",
            query_params=list(query.items()),
            header_params={"Accept": "application/json"},
            auth_settings=["BearerToken"],
            _preload_content=False,
            _request_timeout=_REQUEST_SECONDS,
        )
        return str(answer.data.decode())


def revision(one: Object) -> int:
    """Return when this version was written: one etcd numbers the writes of all kinds."""
    return int(one["metadata"]["resourceVersion"])


def at(versions: list[Object], when: int) -> Object | None:
    """Return what an object was at a revision, or None before there was one."""
    before = [one for one in versions if revision(one) <= when]
    return max(before, key=revision, default=None)


def conditions(one: Object) -> dict[str, dict[str, Any]]:
    """Return its conditions by type."""
    told = one.get("status", {}).get("conditions", ())
    return {condition["type"]: condition for condition in told}
