"""Who holds the Lease, and for how long he may be sure of it."""

import copy
from typing import Any

import pytest
import structlog

from carthub_operator import errors
from carthub_operator.kinds import Kind
from carthub_operator.runtime.leadership import LEASE_SECONDS, Leadership, LeaseName
from tests.support.cluster import eventually
from tests.support.fakes import FakeClock


class FakeStore:
    """One Lease, with the versions that an API server gives."""

    def __init__(self) -> None:
        self.lease: dict[str, Any] | None = None
        self.version = 0
        self.is_away = False
        self.writes = 0

    @property
    def holder(self) -> str | None:
        return None if self.lease is None else self.lease["spec"].get("holderIdentity")

    def get(self, kind: Kind, namespace: str, name: str) -> dict[str, Any] | None:
        assert (kind.name, namespace, name) == ("Lease", "system", "one")
        self._answer()
        return copy.deepcopy(self.lease)

    def create(self, manifest: dict[str, Any]) -> dict[str, Any]:
        self._answer()
        if self.lease is not None:
            raise errors.Conflict("it exists")
        return self._stored(manifest)

    def apply_at(self, manifest: dict[str, Any], *, version: str) -> dict[str, Any]:
        self._answer()
        if version != str(self.version):
            raise errors.Conflict("it is another")
        return self._stored(manifest)

    def _answer(self) -> None:
        if self.is_away:
            raise errors.ClusterUnavailable("it does not answer")

    def _stored(self, manifest: dict[str, Any]) -> dict[str, Any]:
        self.version += 1
        self.writes += 1
        metadata = {**manifest["metadata"], "resourceVersion": str(self.version)}
        self.lease = {**manifest, "metadata": metadata}
        return copy.deepcopy(self.lease)


class World:
    def __init__(self) -> None:
        self.store, self.clock = FakeStore(), FakeClock()
        self.told: list[str] = []

    def candidate(self, identity: str) -> Leadership:
        return Leadership(
            self.store,
            LeaseName("system", "one"),
            identity=identity,
            clock=self.clock,
            on_won=lambda: self.told.append(f"{identity} won"),
            on_lost=lambda: self.told.append(f"{identity} lost"),
        )


@pytest.fixture
def world() -> World:
    return World()


def test_the_first_to_stand_holds_it(world: World) -> None:
    one, two = world.candidate("one"), world.candidate("two")

    assert one.stand()
    assert not two.stand()

    assert one.is_held()
    assert not two.is_held()
    with pytest.raises(errors.NotLeader):
        two.check()


def test_a_holder_renews_with_one_request(world: World) -> None:
    one = world.candidate("one")
    one.stand()
    for _ in range(5):
        world.clock.seconds += 3
        assert one.stand()

    assert one.is_held()
    assert world.store.writes == 6
    assert world.store.lease is not None
    assert world.store.lease["spec"]["leaseTransitions"] == 1


def test_who_does_not_renew_is_followed_once_the_lease_has_run_out(world: World) -> None:
    one, two = world.candidate("one"), world.candidate("two")
    one.stand()
    two.stand()
    world.clock.seconds += LEASE_SECONDS

    assert not two.stand()
    world.clock.seconds += 1

    assert two.stand()
    assert world.store.holder == "two"


def test_a_holder_is_sure_of_it_no_longer_than_the_others_wait(world: World) -> None:
    one, two = world.candidate("one"), world.candidate("two")
    one.stand()
    two.stand()
    world.store.is_away = True
    while one.is_held():
        world.clock.seconds += 0.5
    world.store.is_away = False

    # The others still wait, some seconds.
    assert not two.stand()


def test_who_slept_through_it_holds_it_no_more(world: World) -> None:
    one, two = world.candidate("one"), world.candidate("two")
    one.stand()
    two.stand()
    world.clock.seconds += LEASE_SECONDS + 1
    assert two.stand()

    assert not one.is_held()
    assert not one.stand()
    assert world.store.holder == "two"


def test_who_sees_another_holder_writes_no_more(world: World) -> None:
    one, two = world.candidate("one"), world.candidate("two")
    one.stand()
    # Somebody has deleted it by hand, and the other was faster.
    world.store.lease = None
    assert two.stand()
    assert one.is_held()

    assert not one.stand()

    assert not one.is_held()


def test_one_that_is_given_back_is_taken_at_once(world: World) -> None:
    one, two = world.candidate("one"), world.candidate("two")
    one.start()
    eventually(lambda: world.told, what="it is won")
    two.stand()

    one.stop(10)

    assert not one.is_held()
    assert two.stand()
    assert world.told[0] == "one won"


def test_a_renewal_that_nobody_answered_counts_for_nothing(world: World) -> None:
    one = world.candidate("one")
    one.stand()
    world.store.is_away = True
    world.clock.seconds += 5
    with pytest.raises(errors.ClusterUnavailable):
        one.stand()

    world.clock.seconds += LEASE_SECONDS - 5 - 3
    assert not one.is_held()


def test_winning_is_told_and_logged_once(world: World) -> None:
    one = world.candidate("one")
    with structlog.testing.capture_logs() as lines:
        one.start()
        eventually(lambda: world.told, what="it is won")
        one.stop(10)

    assert [line["event"] for line in lines] == ["leadership-won"]
