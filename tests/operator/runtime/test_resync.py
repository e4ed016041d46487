"""The resync: what no watch has told, and that no pass is made before the first."""

import dataclasses
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from carthub_operator import errors, kinds
from carthub_operator.api.resource import Key
from carthub_operator.kinds import Kind
from carthub_operator.runtime.cache import ObjectCache
from carthub_operator.runtime.known_kinds import KnownKinds
from carthub_operator.runtime.resync import Resync
from carthub_operator.runtime.work_queue import WorkQueue
from tests.support.cluster import eventually


class FakeLister:
    def __init__(self) -> None:
        self.objects_: dict[str, list[dict[str, Any]]] = {}
        self.asked: list[tuple[str, str | None, str | None]] = []
        self.failures = 0
        self.missing: set[str] = set()
        # Kinds that fail once each, after what they have has been told.
        self.failing: set[str] = set()
        self.closed: set[str] = set()

    def objects(
        self, kind: Kind, *, namespace: str | None, selector: str | None = None
    ) -> Iterator[dict[str, Any]]:
        self.asked.append((kind.name, namespace, selector))
        if self.failures:
            self.failures -= 1
            raise errors.ClusterUnavailable("it does not answer")
        if namespace in self.closed:
            raise errors.Forbidden(f"no right in {namespace}")
        if kind.name in self.missing:
            raise errors.NotFound("no such kind")
        yield from self.objects_.get(kind.name, [])
        if kind.name in self.failing:
            self.failing.remove(kind.name)
            raise errors.ClusterUnavailable("it broke off")


def _cart(name: str, version: int = 1) -> dict[str, Any]:
    metadata = {
        "name": name,
        "namespace": "shop",
        "uid": name,
        "resourceVersion": str(version),
    }
    return {"apiVersion": "carthub.io/v1", "kind": "CartService", "metadata": metadata}


def _job_of(owner: str) -> dict[str, Any]:
    reference = {
        "apiVersion": "carthub.io/v1",
        "kind": "CartService",
        "name": owner,
        "uid": owner,
        "controller": True,
    }
    metadata = {
        "name": f"{owner}-migrate",
        "uid": f"job of {owner}",
        "namespace": "shop",
        "resourceVersion": "7",
        "labels": {"carthub.io/owner-uid": owner},
        "ownerReferences": [reference],
    }
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata}


class Unwatched:
    """Watches that nobody has to wait for."""

    def wait_listed(self, path: str, timeout_seconds: float) -> None:
        pass


class World:
    def __init__(self, *namespaces: str, interval_seconds: float = 0.01) -> None:
        self.lister, self.cache, self.queue = FakeLister(), ObjectCache(), WorkQueue()
        self.first = threading.Event()
        self.missed: list[str] = []
        self.served: set[str] = set()
        self.kinds: list[str] = []
        self.resync = Resync(
            self.lister,
            self.cache,
            self.queue,
            known_kinds=KnownKinds(
                lambda kind: kind.name in self.served,
                on_change=lambda: self.kinds.append("changed"),
            ),
            namespaces=namespaces,
            interval_seconds=interval_seconds,
            on_first=self.first.set,
            on_missed=lambda kind: self.missed.append(kind.name),
        )

    def queued(self) -> list[Key | None]:
        return [self.queue.take() for _ in range(len(self.queue))]


@pytest.fixture
def world() -> World:
    return World()


def test_everything_is_listed_children_by_our_label(world: World) -> None:
    world.resync.resync()

    assert world.lister.asked == [
        (kind.name, None, None if kind is kinds.CART_SERVICE else "carthub.io/owner-uid")
        for kind in kinds.WATCHED
    ]
    assert "Secret" not in {name for name, _, _ in world.lister.asked}


def test_a_kind_that_appears_is_listed_and_told_once(world: World) -> None:
    world.resync.resync()
    assert world.kinds == []
    world.served = {"ServiceMonitor"}

    world.resync.resync()
    world.resync.resync()

    assert world.kinds == ["changed"]
    assert [name for name, _, _ in world.lister.asked].count("ServiceMonitor") == 2


def test_only_the_named_namespaces_are_listed() -> None:
    world = World("one", "two")
    world.resync.resync()

    assert {namespace for _, namespace, _ in world.lister.asked} == {"one", "two"}


def test_every_resource_gets_a_pass(world: World) -> None:
    world.lister.objects_["CartService"] = [_cart("one"), _cart("two")]

    world.resync.resync()

    assert world.queued() == [Key("shop", "one"), Key("shop", "two")]


def test_a_resource_that_vanished_gets_a_last_pass(world: World) -> None:
    world.lister.objects_["CartService"] = [_cart("one")]
    world.resync.resync()
    world.queued()
    world.lister.objects_["CartService"] = []
    resync_as_if_later(world)

    assert world.cache.keys() == []
    world.queue.done(Key("shop", "one"))
    assert world.queued() == [Key("shop", "one")]


def resync_as_if_later(world: World) -> None:
    """What was seen is older than the grace that a listing gives to the watches."""
    for place, entry in list(world.cache._objects.items()):  # noqa: SLF001 - time cannot be waited for
        world.cache._objects[place] = dataclasses.replace(entry, seen_at=entry.seen_at - 60)  # noqa: SLF001 - as above
    world.resync.resync()


def test_what_was_missed_is_counted_after_the_first(world: World) -> None:
    world.lister.objects_["CartService"] = [_cart("one")]
    world.resync.resync()
    assert world.missed == []

    world.lister.objects_["CartService"] = [_cart("one", version=2)]
    world.resync.resync()

    assert world.missed == ["CartService"]


def test_the_first_is_told_once_it_has_succeeded(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("carthub_operator.runtime.resync._RETRY_SECONDS", 0.01)
    world.lister.failures = 2

    world.resync.start(Unwatched())
    try:
        assert world.first.wait(10)
        assert world.resync.is_done_once()
        assert world.resync.is_alive()
    finally:
        world.resync.stop(10)
    assert not world.resync.is_alive()


def test_a_definition_that_is_gone_takes_its_resources_along(world: World) -> None:
    world.lister.objects_["CartService"] = [_cart("one")]
    world.resync.resync()
    world.lister.missing = {"CartService"}

    resync_as_if_later(world)

    assert world.cache.keys() == []


def test_what_is_asked_for_is_listed_before_its_time_and_alone() -> None:
    world = World(interval_seconds=3600.0)
    world.resync.start(Unwatched())
    try:
        assert world.first.wait(10)
        before = len(world.lister.asked)
        world.lister.objects_["Job"] = [_job_of("one")]

        world.resync.soon("/apis/batch/v1/jobs")

        eventually(lambda: world.missed, what="another listing")
        assert world.lister.asked[before:] == [("Job", None, "carthub.io/owner-uid")]
    finally:
        world.resync.stop(10)


def test_a_listing_that_fails_keeps_no_other_from_being_taken(world: World) -> None:
    world.lister.objects_["CartService"] = [_cart("one")]
    world.resync.resync()
    world.queued()
    world.queue.done(Key("shop", "one"))
    world.lister.objects_["Job"] = [_job_of("one")]
    world.lister.failing = {"Deployment"}

    with pytest.raises(errors.ClusterUnavailable, match="broke off"):
        world.resync.resync()

    assert world.missed == ["Job"]
    assert world.queued() == [Key("shop", "one")]


def test_what_a_listing_told_before_it_failed_is_not_lost(world: World) -> None:
    world.resync.resync()
    world.lister.objects_["CartService"] = [_cart("one")]
    world.lister.failing = {"CartService"}

    with pytest.raises(errors.ClusterUnavailable):
        world.resync.resync()

    assert world.queued() == [Key("shop", "one")]


def test_only_what_failed_is_listed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("carthub_operator.runtime.resync._GO_ON_SECONDS", 0.01)
    world = World(interval_seconds=3600.0)
    world.lister.failing = {"Deployment", "Job"}
    world.resync.start(Unwatched())
    try:
        assert world.first.wait(10)
    finally:
        world.resync.stop(10)

    names = [name for name, _, _ in world.lister.asked]
    assert set(names[len(kinds.WATCHED) :]) == {"Deployment", "Job"}
    assert len(names) == len(kinds.WATCHED) + 2
    assert len(set(names)) == len(kinds.WATCHED)


def test_a_namespace_that_is_closed_to_us_keeps_no_other_from_being_served() -> None:
    world = World("closed", "open", interval_seconds=3600.0)
    world.lister.closed = {"closed"}
    world.resync.start(Unwatched())
    try:
        assert world.first.wait(10)
    finally:
        world.resync.stop(10)

    asked = [namespace for _, namespace, _ in world.lister.asked]
    assert asked.count("open") == len(kinds.WATCHED)
    # Not once for each kind.
    assert asked.count("closed") == 1


def test_nothing_is_done_while_every_namespace_is_closed() -> None:
    world = World("one", "two")
    world.lister.closed = {"one", "two"}
    with pytest.raises(errors.Forbidden):
        world.resync.resync()

    assert not world.resync.is_done_once()


def test_a_namespace_that_is_opened_is_listed_then() -> None:
    world = World("later", "open")
    world.lister.closed = {"later"}
    with pytest.raises(errors.Forbidden):
        world.resync.resync()
    world.lister.closed = set()
    world.lister.objects_["CartService"] = [_cart("one")]

    world.resync.resync()

    assert world.queued() == [Key("shop", "one")]


def test_at_the_start_each_kind_is_listed_after_its_watch_has_begun() -> None:
    world = World(interval_seconds=3600.0)
    told: list[object] = []

    class Watched:
        def wait_listed(self, path: str, timeout_seconds: float) -> None:
            # What is listed already, and what is waited for now.
            told.append((len(world.lister.asked), path))
            assert 0.0 <= timeout_seconds <= 10.0

    world.resync.start(Watched())
    try:
        assert world.first.wait(10)
        assert told == [
            (number, kind.path(namespace=None)) for number, kind in enumerate(kinds.WATCHED)
        ]

        # Later listings wait for nobody.
        before = len(world.lister.asked)
        world.resync.soon("/apis/batch/v1/jobs")
        eventually(lambda: len(world.lister.asked) > before, what="another listing")
        assert len(told) == len(kinds.WATCHED)
    finally:
        world.resync.stop(10)


def test_a_watch_that_begins_before_a_listing_needs_no_other() -> None:
    world = World(interval_seconds=3600.0)

    class Watched:
        def wait_listed(self, path: str, timeout_seconds: float) -> None:  # noqa: ARG002 - it begins at once
            world.resync.soon(path)

    world.resync.start(Watched())
    try:
        assert world.first.wait(10)
        # Looked at after all that were asked for before.
        world.resync.soon("/apis/batch/v1/jobs")
        eventually(lambda: len(world.lister.asked) > len(kinds.WATCHED), what="another listing")
    finally:
        world.resync.stop(10)

    assert [name for name, _, _ in world.lister.asked[len(kinds.WATCHED) :]] == ["Job"]


def test_news_of_a_listing_come_before_routine_and_what_serves_before_what_is_new() -> None:
    world = World()
    told = {"status": {"observedGeneration": 1}}
    world.lister.objects_["CartService"] = [{**_cart("known"), **told}]
    world.resync.resync()
    world.queued()
    world.queue.done(Key("shop", "known"))
    world.lister.objects_["CartService"] += [_cart("new"), {**_cart("serves"), **told}]

    world.resync.resync()

    assert [key and key.name for key in world.queued()] == ["serves", "new", "known"]
