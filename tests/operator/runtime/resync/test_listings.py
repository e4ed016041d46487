"""The resync: what no watch has told, found by listing."""

import pytest

from carthub_operator import errors, kinds
from carthub_operator.api.resource import Key
from tests.support.resync_world import ResyncWorld, cart, job_of


@pytest.fixture
def world() -> ResyncWorld:
    return ResyncWorld()


def test_everything_is_listed_children_by_our_label(world: ResyncWorld) -> None:
    world.resync.resync()

    assert world.lister.asked == [
        (kind.name, None, None if kind is kinds.CART_SERVICE else "carthub.io/owner-uid")
        for kind in kinds.WATCHED
    ]
    assert "Secret" not in {name for name, _, _ in world.lister.asked}


def test_a_kind_that_appears_is_listed_and_told_once(world: ResyncWorld) -> None:
    world.resync.resync()
    assert world.kinds == []
    world.served = {"ServiceMonitor"}

    world.resync.resync()
    world.resync.resync()

    assert world.kinds == ["changed"]
    assert [name for name, _, _ in world.lister.asked].count("ServiceMonitor") == 2


def test_only_the_named_namespaces_are_listed() -> None:
    world = ResyncWorld("one", "two")
    world.resync.resync()

    assert {namespace for _, namespace, _ in world.lister.asked} == {"one", "two"}


def test_every_resource_gets_a_pass(world: ResyncWorld) -> None:
    world.lister.objects_["CartService"] = [cart("one"), cart("two")]

    world.resync.resync()

    assert world.queued() == [Key("shop", "one"), Key("shop", "two")]


def test_a_resource_that_vanished_gets_a_last_pass(world: ResyncWorld) -> None:
    world.lister.objects_["CartService"] = [cart("one")]
    world.resync.resync()
    world.queued()
    world.lister.objects_["CartService"] = []
    world.resync_later()

    assert world.cache.keys() == []
    world.queue.done(Key("shop", "one"))
    assert world.queued() == [Key("shop", "one")]


def test_what_was_missed_is_counted_after_the_first(world: ResyncWorld) -> None:
    world.lister.objects_["CartService"] = [cart("one")]
    world.resync.resync()
    assert world.missed == []

    world.lister.objects_["CartService"] = [cart("one", version=2)]
    world.resync.resync()

    assert world.missed == ["CartService"]


def test_a_definition_that_is_gone_takes_its_resources_along(world: ResyncWorld) -> None:
    world.lister.objects_["CartService"] = [cart("one")]
    world.resync.resync()
    world.lister.missing = {"CartService"}

    world.resync_later()

    assert world.cache.keys() == []


def test_a_listing_that_fails_keeps_no_other_from_being_taken(world: ResyncWorld) -> None:
    world.lister.objects_["CartService"] = [cart("one")]
    world.resync.resync()
    world.queued()
    world.queue.done(Key("shop", "one"))
    world.lister.objects_["Job"] = [job_of("one")]
    world.lister.failing = {"Deployment"}

    with pytest.raises(errors.ClusterUnavailable, match="broke off"):
        world.resync.resync()

    assert world.missed == ["Job"]
    assert world.queued() == [Key("shop", "one")]


def test_what_a_listing_told_before_it_failed_is_not_lost(world: ResyncWorld) -> None:
    world.resync.resync()
    world.lister.objects_["CartService"] = [cart("one")]
    world.lister.failing = {"CartService"}

    with pytest.raises(errors.ClusterUnavailable):
        world.resync.resync()

    assert world.queued() == [Key("shop", "one")]


def test_nothing_is_done_while_every_namespace_is_closed() -> None:
    world = ResyncWorld("one", "two")
    world.lister.closed = {"one", "two"}
    with pytest.raises(errors.Forbidden):
        world.resync.resync()

    assert not world.resync.is_done_once()


def test_a_namespace_that_is_opened_is_listed_then() -> None:
    world = ResyncWorld("later", "open")
    world.lister.closed = {"later"}
    with pytest.raises(errors.Forbidden):
        world.resync.resync()
    world.lister.closed = set()
    world.lister.objects_["CartService"] = [cart("one")]

    world.resync.resync()

    assert world.queued() == [Key("shop", "one")]


def test_news_of_a_listing_come_before_routine_and_what_serves_before_what_is_new() -> None:
    world = ResyncWorld()
    told = {"status": {"observedGeneration": 1}}
    world.lister.objects_["CartService"] = [{**cart("known"), **told}]
    world.resync.resync()
    world.queued()
    world.queue.done(Key("shop", "known"))
    world.lister.objects_["CartService"] += [cart("new"), {**cart("serves"), **told}]

    world.resync.resync()

    assert [key and key.name for key in world.queued()] == ["serves", "new", "known"]
