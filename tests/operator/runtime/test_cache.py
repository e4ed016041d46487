"""The cache: newer wins, and a listing corrects what no watch has told."""

import json
import tracemalloc
from collections.abc import Iterator
from typing import Any

from carthub_operator import kinds
from carthub_operator.api import names
from carthub_operator.api.resource import Key
from carthub_operator.runtime.cache import ObjectCache, owner_key
from tests.support import resources
from tests.support.fakes import FakeClock

SERVICE = next(kind for kind in kinds.WATCHED_CHILDREN if kind.name == "Service")


def _service(version: int, *, name: str = "backend-service", uid: str = "u") -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": name,
            "namespace": "shop",
            "uid": uid,
            "resourceVersion": str(version),
            "labels": {"carthub.io/owner-uid": "owner", "app.kubernetes.io/instance": "backend"},
        },
    }


_DEPLOYMENT = json.dumps(
    {
        **resources.deployment(),
        "kind": "Deployment",
        "metadata": {
            **_service(1)["metadata"],
            "managedFields": [{"manager": names.FIELD_MANAGER, "fieldsV1": {"f:spec": {}}}],
        },
    }
)


def _versions(cache: ObjectCache) -> list[str]:
    return [child["metadata"]["resourceVersion"] for child in cache.children("shop", "owner")]


def test_newer_news_replace_older_and_never_the_other_way() -> None:
    cache = ObjectCache()

    assert [cache.put(_service(version)) for version in (9, 10, 10, 8)] == [
        True,
        True,
        False,
        False,
    ]
    assert _versions(cache) == ["10"]


def test_a_deletion_that_is_older_than_what_is_known_is_ignored() -> None:
    cache = ObjectCache()
    cache.put(_service(10, uid="made anew"))

    assert not cache.discard(_service(9, uid="before"))
    assert _versions(cache) == ["10"]
    assert cache.discard(_service(11, uid="made anew"))
    assert _versions(cache) == []


def _listed(count: int) -> Iterator[dict[str, Any]]:
    """Yield as many Deployments, each parsed as the API server's answers are."""
    for number in range(count):
        live = json.loads(_DEPLOYMENT)
        live["metadata"]["name"] = f"backend-{number}"
        yield live


def test_an_object_takes_less_memory_than_its_text() -> None:
    cache, count = ObjectCache(), 100
    tracemalloc.start()
    try:
        for live in _listed(count):
            cache.put(live)
        del live
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert len(cache.children("shop", "owner")) == count
    assert taken / count < len(_DEPLOYMENT)


def test_a_listing_is_never_held_as_a_whole() -> None:
    # Enough of them that what the compression needs for itself does not count.
    cache, count = ObjectCache(), 500
    tracemalloc.start()
    try:
        missed = list(cache.replace(kinds.DEPLOYMENT, _listed(count), since=0, namespace=None))
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert missed == [Key("shop", "backend")] * count
    assert most / count < len(_DEPLOYMENT)


def test_nobody_changes_what_another_sees() -> None:
    cache = ObjectCache()
    cache.put(_service(1))

    cache.children("shop", "owner")[0]["metadata"]["labels"].clear()

    assert (
        cache.children("shop", "owner")[0]["metadata"]["labels"]
        == _service(1)["metadata"]["labels"]
    )


def test_children_are_found_by_their_owner_and_move_with_their_label() -> None:
    cache = ObjectCache()
    cache.put(_service(1))
    moved = _service(2)
    moved["metadata"]["labels"]["carthub.io/owner-uid"] = "another"
    cache.put(moved)

    assert cache.children("shop", "owner") == []
    assert len(cache.children("shop", "another")) == 1


def test_a_listing_removes_what_vanished_and_tells_what_was_missed() -> None:
    clock = FakeClock()
    cache = ObjectCache(monotonic=clock.monotonic)
    cache.put(_service(1, name="stays"))
    cache.put(_service(2, name="vanished"))
    cache.put(_service(3, name="changes"))
    clock.seconds += 10

    listed = [_service(1, name="stays"), _service(7, name="changes")]
    missed = list(cache.replace(SERVICE, listed, since=clock.seconds, namespace=None))

    # The one that has changed, and the one that has vanished.
    assert missed == [Key("shop", "backend")] * 2
    assert _versions(cache) == ["7", "1"]


def test_a_listing_does_not_remove_what_was_made_while_it_was_under_way() -> None:
    clock = FakeClock()
    cache = ObjectCache(monotonic=clock.monotonic)
    since = clock.seconds
    clock.seconds += 1
    cache.put(_service(5))

    assert list(cache.replace(SERVICE, [], since=since, namespace=None)) == []
    assert _versions(cache) == ["5"]


def test_a_listing_of_one_namespace_leaves_the_others() -> None:
    clock = FakeClock()
    cache = ObjectCache(monotonic=clock.monotonic)
    cache.put(_service(5))
    clock.seconds += 10

    assert list(cache.replace(SERVICE, [], since=clock.seconds, namespace="other")) == []
    assert _versions(cache) == ["5"]


def test_fields_of_other_managers_are_not_kept() -> None:
    cache = ObjectCache()
    service = _service(1)
    managers = ["carthub-operator", "kube-controller-manager"]
    service["metadata"]["managedFields"] = [{"manager": name} for name in managers]
    cache.put(service)

    kept = cache.children("shop", "owner")[0]["metadata"]["managedFields"]
    assert kept == [{"manager": "carthub-operator"}]


def test_a_child_names_its_owner_by_label_or_by_controller() -> None:
    labelled = _service(1)
    owned = _service(1)
    del owned["metadata"]["labels"]
    owned["metadata"]["ownerReferences"] = [
        {"kind": "CartService", "name": "backend", "controller": True}
    ]
    strange = _service(1)
    strange["metadata"]["labels"] = {}

    assert owner_key(labelled) == owner_key(owned) == Key("shop", "backend")
    assert owner_key(strange) is None


def test_conditions_are_those_that_the_statuses_tell() -> None:
    cache = ObjectCache()
    ready = {"type": "Ready", "status": "True", "reason": "Ready"}
    for version, name, status in (
        (1, "new", {}),
        (2, "backend", {"status": {"conditions": [ready]}}),
    ):
        resource = _service(version, name=name) | {"kind": "CartService"} | status
        cache.put(resource)
    cache.put(_service(3))

    assert cache.conditions() == [(Key("shop", "backend"), ready)]


def test_changes_of_secrets_are_those_that_the_statuses_tell() -> None:
    cache = ObjectCache()
    changed_at = "2026-01-02T03:04:05Z"
    for version, name, status in (
        (1, "new", {}),
        (2, "without", {"status": {"database": {"maxConnections": 9}}}),
        (3, "backend", {"status": {"database": {"secretChangedAt": changed_at}}}),
    ):
        resource = _service(version, name=name) | {"kind": "CartService"} | status
        cache.put(resource)
    cache.put(_service(4))

    assert cache.secret_changes() == [(Key("shop", "backend"), changed_at)]


def test_a_copy_in_another_namespace_belongs_to_nobody() -> None:
    cache = ObjectCache()
    cache.put(_service(1))
    copy = _service(2)
    copy["metadata"].update(namespace="elsewhere", uid="copy")
    cache.put(copy)

    assert _versions(cache) == ["1"]


def test_what_was_deleted_is_not_brought_back_by_what_was_under_way() -> None:
    clock = FakeClock()
    cache = ObjectCache(monotonic=clock.monotonic)
    cache.put(_service(5))
    assert cache.deleted(_service(9))

    # A page of a listing that was read before, and a write that was answered before.
    assert list(cache.replace(SERVICE, [_service(5)], since=clock.seconds, namespace=None)) == []
    assert not cache.put(_service(8))
    assert _versions(cache) == []

    # One that only left the watch, for want of our label, and came back.
    assert cache.put(_service(9))


def test_a_deletion_is_remembered_for_as_long_as_a_listing_may_take() -> None:
    clock = FakeClock()
    cache = ObjectCache(monotonic=clock.monotonic)
    for number in range(100):
        cache.deleted(_service(9, uid=f"{number}"))
        clock.seconds += 60
    assert len(cache._deleted) == 11  # noqa: SLF001 - nothing else shows what it keeps


def test_an_object_is_of_its_controller_whatever_its_labels_say() -> None:
    live = _service(1)
    live["metadata"]["labels"]["app.kubernetes.io/instance"] = "edited"
    live["metadata"]["ownerReferences"] = [
        {"kind": names.KIND, "name": "backend", "uid": "owner", "controller": True}
    ]

    assert owner_key(live) == Key("shop", "backend")


def test_what_was_deleted_long_ago_is_not_kept() -> None:
    clock = FakeClock()
    cache = ObjectCache(monotonic=clock.monotonic)
    # Its label is taken off and put on again, all the time.
    for number in range(20):
        clock.seconds += 400.0
        cache.deleted(_service(number + 1))
        cache.deleted(_service(1, uid=f"another-{number}"))

    assert len(cache._deleted) <= 4  # noqa: SLF001 - nothing tells how much is kept


def test_what_is_forgotten_by_its_name_is_gone() -> None:
    cache = ObjectCache()
    cache.put(_service(1))

    cache.forget("Service", "shop", "backend-service")
    cache.forget("Service", "shop", "unknown")

    assert cache.children("shop", "owner") == []
