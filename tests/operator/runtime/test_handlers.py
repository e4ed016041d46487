"""What kopf is told: to watch for ever, to write nothing, and to see only what is ours."""

import asyncio
import itertools
from collections.abc import Mapping
from typing import Any

import pytest

from carthub_operator import kinds
from carthub_operator.api.resource import Key
from carthub_operator.runtime import handlers
from carthub_operator.runtime.cache import ObjectCache
from carthub_operator.runtime.streams import Streams
from carthub_operator.runtime.work_queue import WorkQueue


def test_the_delays_never_end_and_stay_bounded() -> None:
    delays = list(itertools.islice(handlers.EndlessBackoffs(), 2000))

    assert len(delays) == 2000
    assert max(delays) <= 15.0
    assert min(delays) > 0.0


def test_kopf_writes_nothing_and_looks_for_nothing_else() -> None:
    settings = handlers.kopf_settings(kinds.WATCHED, inactivity_seconds=70.0, request_seconds=60.0)

    assert not settings.posting.enabled
    assert settings.scanning.disabled
    assert settings.peering.standalone
    assert settings.watching.inactivity_timeout == 70.0
    selectors = set(settings.watching.label_selectors.values())
    assert selectors == {"carthub.io/owner-uid"}
    assert len(settings.watching.label_selectors) == len(kinds.WATCHED) - 1


class Watch:
    """The handlers, called as kopf calls them."""

    def __init__(self) -> None:
        self.cache, self.queue = ObjectCache(), WorkQueue()
        streams = Streams(on_listed=lambda _: None)
        registry = handlers.handlers(kinds.WATCHED, self.cache, self.queue, streams)
        found = registry._watching.get_all_handlers()  # noqa: SLF001 - kopf has no other way to ask
        self.by_id = {str(one.id): one for one in found}

    def tell(self, id_: str, event_type: str, live: Mapping[str, Any]) -> None:
        call: Any = self.by_id[id_].fn
        (kind,) = (one for one in kinds.WATCHED if id_ == f"{one.name.lower()}-seen")
        whole = {"apiVersion": kind.api_version, "kind": kind.name, **live}
        asyncio.run(call(event={"type": event_type, "object": whole}))

    def queued(self) -> list[Key | None]:
        return [self.queue.take() for _ in range(len(self.queue))]


def _service(version: int, **metadata: object) -> dict[str, Any]:
    labels = {"carthub.io/owner-uid": "uid", "app.kubernetes.io/instance": "backend"}
    return {
        "metadata": {
            "name": "backend-service",
            "namespace": "shop",
            "uid": "child",
            "resourceVersion": str(version),
            "labels": labels,
            **metadata,
        }
    }


@pytest.fixture
def watch() -> Watch:
    return Watch()


def test_every_kind_is_watched_and_no_secret(watch: Watch) -> None:
    assert set(watch.by_id) == {f"{kind.name.lower()}-seen" for kind in kinds.WATCHED}
    assert "secret-seen" not in watch.by_id


def test_news_of_a_child_are_a_pass_for_its_owner(watch: Watch) -> None:
    watch.tell("service-seen", "MODIFIED", _service(1))

    assert watch.queued() == [Key("shop", "backend")]
    assert watch.cache.children("shop", "uid")[0]["kind"] == "Service"


def test_what_is_known_already_is_no_news(watch: Watch) -> None:
    live = {"apiVersion": "v1", "kind": "Service", **_service(5)}
    watch.cache.put(live)

    watch.tell("service-seen", "MODIFIED", _service(5))
    watch.tell("service-seen", "MODIFIED", _service(4))

    assert watch.queued() == []


def test_a_deleted_child_is_forgotten_and_a_pass(watch: Watch) -> None:
    watch.tell("service-seen", "ADDED", _service(1))
    watch.queued()
    watch.queue.done(Key("shop", "backend"))

    watch.tell("service-seen", "DELETED", _service(2))

    assert watch.queued() == [Key("shop", "backend")]
    assert not watch.cache.children("shop", "uid")


def test_what_serves_comes_before_what_was_never_told_anything(watch: Watch) -> None:
    def resource(name: str, **told: object) -> dict[str, Any]:
        metadata = {"name": name, "namespace": "shop", "uid": name, "resourceVersion": "1"}
        return {"metadata": metadata, **told}

    # As the definition makes it.
    watch.tell("cartservice-seen", "ADDED", resource("new", status={"observedGeneration": -1}))
    watch.tell("service-seen", "MODIFIED", _service(1))
    watch.tell("cartservice-seen", "MODIFIED", resource("told", status={"observedGeneration": 1}))

    assert [key and key.name for key in watch.queued()] == ["backend", "told", "new"]


def test_a_deleted_resource_gets_a_last_pass(watch: Watch) -> None:
    raw = {
        "metadata": {
            "name": "backend",
            "namespace": "shop",
            "uid": "uid",
            "resourceVersion": "1",
        }
    }
    watch.tell("cartservice-seen", "ADDED", raw)
    assert watch.queued() == [Key("shop", "backend")]
    watch.queue.done(Key("shop", "backend"))

    watch.tell("cartservice-seen", "DELETED", raw)

    assert watch.queued() == [Key("shop", "backend")]
    assert watch.cache.resource(Key("shop", "backend")) is None
