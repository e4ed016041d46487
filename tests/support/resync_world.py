"""The resync with a lister that a test fills, and a queue that nobody takes from but the test."""

import contextlib
import dataclasses
import threading
from collections.abc import Iterator
from typing import Any

from carthub_operator import errors
from carthub_operator.api.resource import Key
from carthub_operator.kinds import Kind
from carthub_operator.runtime.cache import ObjectCache
from carthub_operator.runtime.known_kinds import KnownKinds
from carthub_operator.runtime.resync import Resync, Watched
from carthub_operator.runtime.work_queue import WorkQueue


class FakeLister:
    """Lists what it was given, and fails as it is told to."""

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


def cart(name: str, version: int = 1) -> dict[str, Any]:
    metadata = {
        "name": name,
        "namespace": "shop",
        "uid": name,
        "resourceVersion": str(version),
    }
    return {"apiVersion": "carthub.io/v1", "kind": "CartService", "metadata": metadata}


def job_of(owner: str) -> dict[str, Any]:
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


class ResyncWorld:
    """A resync, and what it told."""

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

    @contextlib.contextmanager
    def running(self, watches: Watched | None = None) -> Iterator[None]:
        """Run it, once it has listed everything, until the block ends."""
        self.resync.start(watches or Unwatched())
        try:
            assert self.first.wait(10)
            yield
        finally:
            self.resync.stop(10)

    def resync_later(self) -> None:
        """List when all that was seen is older than the grace that a listing gives to watches."""
        for place, entry in list(self.cache._objects.items()):  # noqa: SLF001 - time cannot be waited for
            self.cache._objects[place] = dataclasses.replace(entry, seen_at=entry.seen_at - 60)  # noqa: SLF001 - as above
        self.resync.resync()
