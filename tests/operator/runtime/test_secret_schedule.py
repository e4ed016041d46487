"""When AWS is asked, and who hears of it; the threads are real, AWS is not."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from carthub_operator.api.conditions import Reason
from carthub_operator.api.resource import Key
from carthub_operator.contracts import Reading, SecretReference
from carthub_operator.errors import SecretError
from carthub_operator.runtime.secret_schedule import AwsSecretSchedule
from tests.support.cluster import eventually

SECRET = SecretReference("eu-west-1", "prod/carthub/db")
OTHER = SecretReference("eu-west-1", "prod/other")
# In a region that hangs.
LOST = tuple(SecretReference("eu-north-1", f"prod/{number}") for number in range(3))
KNOWN = (SECRET, OTHER, *LOST)
BACKEND = Key("shop", "backend")
FIELDS = {"username": "u", "password": "canary"}


class FakeAws:
    def __init__(self) -> None:
        self.version = "v1"
        self.error: Exception | None = None
        self.calls: list[str] = []
        self.open = threading.Event()
        self.open.set()
        self.is_found = threading.Event()

    def current_version(self, secret: SecretReference) -> str:
        assert secret in KNOWN
        if secret in LOST:
            self.is_found.wait(30)
            return "v1"
        self.calls.append("describe")
        self.open.wait(10)
        if self.error is not None:
            raise self.error
        return self.version

    def current_value(self, secret: SecretReference) -> tuple[str, Mapping[str, object]]:
        assert secret in KNOWN
        self.calls.append("value")
        return self.version, FIELDS


class World:
    def __init__(self) -> None:
        self.aws = FakeAws()
        self.seconds = 1000.0
        self.changed: list[Key] = []
        self.failures: list[str] = []
        self.schedule = AwsSecretSchedule(
            self.aws,
            on_change=self.changed.append,
            on_failure=lambda _, error: self.failures.append(error.reason),
            monotonic=lambda: self.seconds,
            jitter=lambda: 0.5,
            patience_seconds=0.5,
        )

    @property
    def entry(self) -> Any:
        return self.schedule._entries[SECRET]  # noqa: SLF001 - when it is due is no interface

    def read(
        self,
        key: Key = BACKEND,
        reference: SecretReference = SECRET,
        *,
        known_version: str | None = None,
        demand: str | None = None,
        interval_seconds: int = 60,
    ) -> Reading:
        return self.schedule.reading(
            key,
            reference,
            interval_seconds=interval_seconds,
            known_version=known_version,
            demand=demand,
        )

    def pass_time(self, seconds: float) -> None:
        """Move the clock, and wake the thread that sleeps by the real one."""
        self.seconds += seconds
        with self.schedule._changed:  # noqa: SLF001 - a clock of the test's wakes nobody
            self.schedule._changed.notify_all()  # noqa: SLF001

    def calls(self, count: int) -> Callable[[], bool]:
        return lambda: len(self.aws.calls) >= count


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    made.schedule.start(threads=2)
    yield made
    made.aws.open.set()
    made.aws.is_found.set()
    made.schedule.close(10)


def test_the_first_reading_waits_for_the_value(world: World) -> None:
    assert world.read() == Reading("v1", FIELDS)
    assert world.aws.calls == ["describe", "value"]
    assert world.changed == []


def test_a_known_version_is_not_fetched(world: World) -> None:
    assert world.read(known_version="v1") == Reading("v1")
    assert world.aws.calls == ["describe"]


def test_a_thousand_that_share_a_secret_cost_one_call(world: World) -> None:
    for number in range(1000):
        world.read(Key("shop", f"name-{number}"))

    assert world.aws.calls == ["describe", "value"]


def test_before_the_interval_is_over_nobody_is_asked(world: World) -> None:
    world.read()
    world.pass_time(50)

    world.read()

    assert world.aws.calls == ["describe", "value"]


def test_a_new_version_is_fetched_and_told(world: World) -> None:
    world.read()
    world.aws.version = "v2"

    world.pass_time(61)

    eventually(lambda: world.changed == [BACKEND], what="the change is told", timeout_seconds=10)
    assert world.read().version_id == "v2"
    assert world.aws.calls == ["describe", "value", "describe", "value"]


def test_an_unchanged_version_is_neither_fetched_nor_told(world: World) -> None:
    world.read()

    world.pass_time(61)

    eventually(world.calls(3), what="it is looked at", timeout_seconds=10)
    assert world.aws.calls == ["describe", "value", "describe"]
    assert world.changed == []


def test_a_demand_looks_at_once_and_only_once(world: World) -> None:
    world.read()
    world.aws.version = "v2"

    assert world.read(demand="please").version_id == "v2"
    calls = len(world.aws.calls)
    world.read(demand="please")

    assert len(world.aws.calls) == calls


def test_a_demand_during_a_question_gets_a_later_answer(world: World) -> None:
    world.read()
    world.aws.open.clear()
    world.pass_time(61)
    eventually(world.calls(3), what="a question is under way", timeout_seconds=10)
    got: list[Reading] = []
    demand = threading.Thread(target=lambda: got.append(world.read(demand="now")))
    demand.start()
    world.aws.version = "v2"
    world.aws.open.set()
    demand.join(10)

    assert got[0].version_id == "v2"


def test_a_failure_keeps_what_was_known_and_is_told_once(world: World) -> None:
    world.read()
    world.aws.error = SecretError(Reason.SECRET_SOURCE_UNAVAILABLE, "AWS is away")

    world.pass_time(61)
    eventually(lambda: world.changed == [BACKEND], what="it is told", timeout_seconds=10)
    reading = world.read()
    world.pass_time(3)
    eventually(world.calls(4), what="it failed again", timeout_seconds=10)
    eventually(lambda: not world.entry.is_being_read, what="its answer", timeout_seconds=10)

    assert (reading.version_id, reading.fields) == ("v1", FIELDS)
    assert str(reading.error) == "AWS is away"
    assert world.failures == [Reason.SECRET_SOURCE_UNAVAILABLE]
    assert world.changed == [BACKEND]


def test_failures_are_looked_at_again_later_and_later_up_to_the_interval(world: World) -> None:
    world.aws.error = SecretError(Reason.SECRET_NOT_FOUND, "no such secret")
    world.read()
    waits = []
    for count in range(2, 9):
        waits.append(world.entry.due_at - world.seconds)
        world.pass_time(waits[-1])
        eventually(world.calls(count), what="another look", timeout_seconds=10)
        eventually(lambda: not world.entry.is_being_read, what="its answer", timeout_seconds=10)

    assert waits == [2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]


def test_a_surprise_of_the_client_is_a_source_that_is_away(world: World) -> None:
    world.aws.error = RuntimeError("canary")

    reading = world.read()

    assert reading.error is not None
    assert reading.error.reason == Reason.SECRET_SOURCE_UNAVAILABLE
    assert "canary" not in str(reading.error)


def test_an_aws_that_hangs_holds_a_pass_for_the_patience_only(world: World) -> None:
    world.aws.open.clear()

    assert world.read() == Reading()

    world.aws.open.set()
    eventually(lambda: world.changed == [BACKEND], what="told afterwards", timeout_seconds=10)


def test_while_aws_hangs_only_the_first_passes_wait_for_it(world: World) -> None:
    world.aws.open.clear()
    started = time.monotonic()
    for number in range(20):
        assert world.read(Key("shop", f"cart-{number}")) == Reading()
    assert time.monotonic() - started < 5

    # All are told once it answers, and the next pass waits for an answer again.
    world.aws.open.set()
    eventually(lambda: len(world.changed) >= 20, what="everybody is told")
    assert world.read() == Reading("v1", FIELDS)
    key = Key("shop", "another")
    assert world.schedule.reading(
        key, OTHER, interval_seconds=60, known_version=None, demand=None
    ) == Reading("v1", FIELDS)


def test_while_aws_refuses_all_no_pass_waits_for_another_secret(world: World) -> None:
    throttled = SecretError(Reason.SECRET_SOURCE_UNAVAILABLE, "AWS asks for fewer requests")
    world.aws.error = throttled
    assert world.read().error == throttled

    # A new one asks in the background, is told later, and waits again once AWS serves.
    world.aws.open.clear()
    key, options = Key("shop", "another"), {"known_version": None, "demand": None}
    assert world.schedule.reading(key, OTHER, interval_seconds=60, **options) == Reading()
    world.aws.error = None
    world.aws.open.set()
    eventually(lambda: key in world.changed, what="it is told")


def test_a_region_that_hangs_slows_no_other(world: World) -> None:
    for number, lost in enumerate(LOST):
        assert world.read(Key("shop", f"lost-{number}"), lost, interval_seconds=10) == Reading()

    # Asked there for the first time, and answered.
    world.schedule.start(threads=2)
    assert world.read() == Reading("v1", FIELDS)
    world.aws.version = "v2"
    world.pass_time(61)
    eventually(lambda: BACKEND in world.changed, what="the rotation is told", timeout_seconds=10)


def test_a_region_that_is_back_gets_every_thread_again(world: World) -> None:
    for number, lost in enumerate(LOST):
        world.read(Key("shop", f"lost-{number}"), lost, interval_seconds=10)
    world.aws.is_found.set()

    eventually(
        lambda: sorted(world.changed) == [Key("shop", f"lost-{number}") for number in range(3)],
        what="all are told",
        timeout_seconds=10,
    )


def test_what_nobody_refers_to_is_asked_for_no_more(world: World) -> None:
    world.read()
    world.schedule.forget(BACKEND)

    assert world.schedule._entries == {}  # noqa: SLF001 - a leak is not seen from outside


def test_a_shorter_interval_counts_from_now_on(world: World) -> None:
    world.schedule.start(threads=1)
    world.read(interval_seconds=86_400)
    assert world.entry.due_at == world.seconds + 86_400

    world.read(interval_seconds=10)

    assert world.entry.due_at == world.seconds + 11


def test_who_leads_no_more_asks_no_more(world: World) -> None:
    world.schedule.start(threads=1)
    world.read()
    world.schedule.forget_all()
    world.seconds += 120
    # As one that is left does: it would be answered behind the forgotten one.
    world.schedule.reading(BACKEND, OTHER, interval_seconds=60, known_version=None, demand=None)

    assert world.aws.calls == ["describe", "value"] * 2
    assert list(world.schedule.unread_seconds()) == [OTHER]


def test_another_reference_replaces_the_one_before(world: World) -> None:
    world.read()
    world.schedule.reading(BACKEND, OTHER, interval_seconds=60, known_version=None, demand=None)

    assert list(world.schedule._entries) == [OTHER]  # noqa: SLF001 - a leak is not seen from outside


def test_no_repr_shows_a_value(world: World) -> None:
    world.read()

    assert "canary" not in repr(world.schedule._entries)  # noqa: SLF001 - what a debugger prints


def test_how_long_a_secret_was_not_read_is_known(world: World) -> None:
    world.read()
    world.pass_time(30.0)
    assert world.schedule.unread_seconds() == {SECRET: 30.0}

    world.aws.error = SecretError(Reason.SECRET_SOURCE_UNAVAILABLE, "AWS is away")
    before = len(world.aws.calls)
    world.pass_time(60.0)
    eventually(world.calls(before + 1), what="another look")

    assert world.schedule.unread_seconds() == {SECRET: 90.0}
