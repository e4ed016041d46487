"""An AWS that refuses, hangs or is away: what is kept, who waits, and when it is asked again."""

import threading
import time

from carthub_operator.api.conditions import Reason
from carthub_operator.api.resource import Key
from carthub_operator.contracts import Reading, SecretReference
from carthub_operator.errors import SecretError
from carthub_operator.runtime.secret_schedule import AwsSecretSchedule
from tests.support.cluster import eventually
from tests.support.secret_world import BACKEND, FIELDS, LOST, OTHER, SECRET, SecretWorld


def test_a_failure_keeps_what_was_known_and_is_told_once(world: SecretWorld) -> None:
    world.read()
    world.aws.error = SecretError(Reason.SECRET_SOURCE_UNAVAILABLE, "AWS is away")

    world.pass_time(61)
    eventually(lambda: world.changed == [BACKEND], what="it is told")
    reading = world.read()
    world.pass_time(3)
    eventually(world.calls(4), what="it failed again")
    eventually(lambda: not world.entry.is_being_read, what="its answer")

    assert (reading.version_id, reading.fields) == ("v1", FIELDS)
    assert str(reading.error) == "AWS is away"
    assert world.failures == [Reason.SECRET_SOURCE_UNAVAILABLE]
    assert world.changed == [BACKEND]


def test_failures_are_looked_at_again_later_and_later_up_to_the_interval(
    world: SecretWorld,
) -> None:
    world.aws.error = SecretError(Reason.SECRET_NOT_FOUND, "no such secret")
    world.read()
    waits = []
    for count in range(2, 9):
        waits.append(world.entry.due_at - world.seconds)
        world.pass_time(waits[-1])
        eventually(world.calls(count), what="another look")
        eventually(lambda: not world.entry.is_being_read, what="its answer")

    assert waits == [2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]


def test_a_surprise_of_the_client_is_a_source_that_is_away(world: SecretWorld) -> None:
    world.aws.error = RuntimeError("canary")

    reading = world.read()

    assert reading.error is not None
    assert reading.error.reason == Reason.SECRET_SOURCE_UNAVAILABLE
    assert "canary" not in str(reading.error)


def test_an_aws_that_hangs_holds_a_pass_for_the_patience_only(world: SecretWorld) -> None:
    world.be_impatient()
    world.aws.open.clear()

    assert world.read() == Reading()

    world.aws.open.set()
    eventually(lambda: world.changed == [BACKEND], what="told afterwards")


def test_while_aws_hangs_only_the_first_passes_wait_for_it(world: SecretWorld) -> None:
    world.be_impatient()
    world.aws.open.clear()
    started = time.monotonic()
    for number in range(40):
        assert world.read(Key("shop", f"cart-{number}")) == Reading()
    # If all of them waited, it would be twenty.
    assert time.monotonic() - started < 15

    # All are told once it answers, and the next pass waits for an answer again.
    world.be_patient()
    world.aws.open.set()
    eventually(lambda: len(world.changed) >= 40, what="everybody is told")
    assert world.read() == Reading("v1", FIELDS)
    assert world.read(Key("shop", "another"), OTHER) == Reading("v1", FIELDS)


def test_while_aws_refuses_all_no_pass_waits_for_another_secret(world: SecretWorld) -> None:
    throttled = SecretError(Reason.SECRET_SOURCE_UNAVAILABLE, "AWS asks for fewer requests")
    world.aws.error = throttled
    assert world.read().error == throttled

    # A new one asks in the background, is told later, and waits again once AWS serves.
    world.aws.open.clear()
    key = Key("shop", "another")
    assert world.read(key, OTHER) == Reading()
    world.aws.error = None
    world.aws.open.set()
    eventually(lambda: key in world.changed, what="it is told")


def test_a_region_that_hangs_slows_no_other(world: SecretWorld) -> None:
    world.be_impatient()
    for number, lost in enumerate(LOST):
        assert world.read(Key("shop", f"lost-{number}"), lost, interval_seconds=10) == Reading()

    # Asked there for the first time, and answered.
    world.be_patient()
    world.schedule.start(threads=2)
    assert world.read() == Reading("v1", FIELDS)
    world.aws.version = "v2"
    world.pass_time(61)
    eventually(lambda: BACKEND in world.changed, what="the rotation is told")


def test_a_region_that_is_back_gets_every_thread_again(world: SecretWorld) -> None:
    world.be_impatient()
    for number, lost in enumerate(LOST):
        world.read(Key("shop", f"lost-{number}"), lost, interval_seconds=10)
    world.aws.is_found.set()

    eventually(
        lambda: sorted(world.changed) == [Key("shop", f"lost-{number}") for number in range(3)],
        what="all are told",
    )


def test_how_long_a_secret_was_not_read_is_known(world: SecretWorld) -> None:
    world.read()
    world.pass_time(30.0)
    assert world.schedule.unread_seconds() == {SECRET: 30.0}

    world.aws.error = SecretError(Reason.SECRET_SOURCE_UNAVAILABLE, "AWS is away")
    before = len(world.aws.calls)
    world.pass_time(60.0)
    eventually(world.calls(before + 1), what="another look")

    assert world.schedule.unread_seconds() == {SECRET: 90.0}


def test_one_that_was_read_before_a_start_counts_from_the_first_question(
    world: SecretWorld,
) -> None:
    world.aws.error = SecretError(Reason.SECRET_SOURCE_UNAVAILABLE, "AWS is away")
    world.read(known_version="v1")
    world.read(Key("shop", "new"), OTHER)
    world.pass_time(30.0)

    # Of one that nobody has yet its CartService says that it has none.
    assert world.schedule.unread_seconds() == {SECRET: 30.0}


class _Refusing:
    """An AWS that lets each question wait for its turn, and answers none."""

    def __init__(self) -> None:
        self.asked: list[SecretReference] = []
        self.turns = threading.Semaphore(0)

    def current_version(self, secret: SecretReference) -> str:
        self.asked.append(secret)
        self.turns.acquire(timeout=30)
        raise SecretError(Reason.SECRET_SOURCE_UNAVAILABLE, "no answer")

    def current_value(self, secret: SecretReference) -> tuple[str, dict[str, object]]:
        raise AssertionError(f"{secret} has no version")


def test_places_that_do_not_serve_are_tried_in_turn() -> None:
    aws, seconds = _Refusing(), [1000.0]
    schedule = AwsSecretSchedule(
        aws,
        on_change=lambda _: None,
        on_failure=lambda *_: None,
        monotonic=lambda: seconds[0],
        patience_seconds=0.0,
    )
    for number, reference in enumerate((*LOST, SECRET)):
        seconds[0] += 1.0
        key = Key("shop", f"cart-{number}")
        schedule.reading(key, reference, interval_seconds=60, known_version=None, demand=None)
    # Half of them try: one.
    schedule.start(threads=2)
    try:
        eventually(lambda: aws.asked, what="the first question")
        aws.turns.release()
        eventually(lambda: len(aws.asked) == 2, what="the second")
    finally:
        aws.turns.release(10)
        schedule.close(10)

    # Not the next one of the place that has just failed.
    assert aws.asked[:2] == [LOST[0], SECRET]
