"""When the resync lists, which kinds, and after which watches."""

import pytest

from carthub_operator import kinds
from tests.support.cluster import eventually
from tests.support.resync_world import ResyncWorld, job_of


def test_the_first_is_told_once_it_has_succeeded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("carthub_operator.runtime.resync._RETRY_SECONDS", 0.01)
    world = ResyncWorld()
    world.lister.failures = 2

    with world.running():
        assert world.resync.is_done_once()
        assert world.resync.is_alive()
    assert not world.resync.is_alive()


def test_what_is_asked_for_is_listed_before_its_time_and_alone() -> None:
    world = ResyncWorld(interval_seconds=3600.0)
    with world.running():
        before = len(world.lister.asked)
        world.lister.objects_["Job"] = [job_of("one")]

        world.resync.soon("/apis/batch/v1/jobs")

        eventually(lambda: world.missed, what="another listing")
        assert world.lister.asked[before:] == [("Job", None, "carthub.io/owner-uid")]


def test_only_what_failed_is_listed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("carthub_operator.runtime.resync._GO_ON_SECONDS", 0.01)
    world = ResyncWorld(interval_seconds=3600.0)
    world.lister.failing = {"Deployment", "Job"}
    with world.running():
        pass

    names = [name for name, _, _ in world.lister.asked]
    assert set(names[len(kinds.WATCHED) :]) == {"Deployment", "Job"}
    assert len(names) == len(kinds.WATCHED) + 2
    assert len(set(names)) == len(kinds.WATCHED)


def test_a_namespace_that_is_closed_to_us_keeps_no_other_from_being_served() -> None:
    world = ResyncWorld("closed", "open", interval_seconds=3600.0)
    world.lister.closed = {"closed"}
    with world.running():
        pass

    asked = [namespace for _, namespace, _ in world.lister.asked]
    assert asked.count("open") == len(kinds.WATCHED)
    # Not once for each kind.
    assert asked.count("closed") == 1


def test_at_the_start_each_kind_is_listed_after_its_watch_has_begun() -> None:
    world = ResyncWorld(interval_seconds=3600.0)
    told: list[object] = []

    class Watched:
        def wait_listed(self, path: str, timeout_seconds: float) -> None:
            # What is listed already, and what is waited for now.
            told.append((len(world.lister.asked), path))
            assert 0.0 <= timeout_seconds <= 10.0

    with world.running(Watched()):
        assert told == [
            (number, kind.path(namespace=None)) for number, kind in enumerate(kinds.WATCHED)
        ]

        # Later listings wait for nobody.
        before = len(world.lister.asked)
        world.resync.soon("/apis/batch/v1/jobs")
        eventually(lambda: len(world.lister.asked) > before, what="another listing")
        assert len(told) == len(kinds.WATCHED)


def test_a_watch_that_begins_before_a_listing_needs_no_other() -> None:
    world = ResyncWorld(interval_seconds=3600.0)

    class Watched:
        def wait_listed(self, path: str, timeout_seconds: float) -> None:  # noqa: ARG002 - it begins at once
            world.resync.soon(path)

    with world.running(Watched()):
        # Looked at after all that were asked for before.
        world.resync.soon("/apis/batch/v1/jobs")
        eventually(lambda: len(world.lister.asked) > len(kinds.WATCHED), what="another listing")

    assert [name for name, _, _ in world.lister.asked[len(kinds.WATCHED) :]] == ["Job"]
