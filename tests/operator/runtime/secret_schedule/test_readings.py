"""When AWS is asked, and who hears of it; the threads are real, AWS is not."""

import threading

from carthub_operator.api.resource import Key
from carthub_operator.contracts import Reading
from tests.support.cluster import eventually
from tests.support.secret_world import BACKEND, FIELDS, OTHER, SecretWorld


def test_the_first_reading_waits_for_the_value(world: SecretWorld) -> None:
    assert world.read() == Reading("v1", FIELDS)
    assert world.aws.calls == ["describe", "value"]
    assert world.changed == []


def test_a_known_version_is_not_fetched(world: SecretWorld) -> None:
    assert world.read(known_version="v1") == Reading("v1")
    assert world.aws.calls == ["describe"]


def test_a_thousand_that_share_a_secret_cost_one_call(world: SecretWorld) -> None:
    for number in range(1000):
        world.read(Key("shop", f"name-{number}"))

    assert world.aws.calls == ["describe", "value"]


def test_before_the_interval_is_over_nobody_is_asked(world: SecretWorld) -> None:
    world.read()
    world.pass_time(50)

    world.read()

    assert world.aws.calls == ["describe", "value"]


def test_a_new_version_is_fetched_and_told(world: SecretWorld) -> None:
    world.read()
    world.aws.version = "v2"

    world.pass_time(61)

    eventually(lambda: world.changed == [BACKEND], what="the change is told")
    assert world.read().version_id == "v2"
    assert world.aws.calls == ["describe", "value", "describe", "value"]


def test_a_value_that_a_pass_did_not_wait_for_is_told_to_whom_it_was_missing(
    world: SecretWorld,
) -> None:
    new = Key("shop", "new")
    world.read(known_version="v1")
    world.be_impatient()
    world.aws.open.clear()
    assert world.read(new) == Reading("v1")

    world.aws.open.set()

    eventually(lambda: world.changed == [new], what="the one without a value is told")
    assert world.read(new) == Reading("v1", FIELDS)


def test_an_unchanged_version_is_neither_fetched_nor_told(world: SecretWorld) -> None:
    world.read()

    world.pass_time(61)

    eventually(world.calls(3), what="it is looked at")
    assert world.aws.calls == ["describe", "value", "describe"]
    assert world.changed == []


def test_a_demand_looks_at_once_and_only_once(world: SecretWorld) -> None:
    world.read()
    world.aws.version = "v2"

    assert world.read(demand="please").version_id == "v2"
    calls = len(world.aws.calls)
    world.read(demand="please")

    assert len(world.aws.calls) == calls


def test_a_demand_during_a_question_gets_a_later_answer(world: SecretWorld) -> None:
    world.read()
    world.aws.open.clear()
    world.pass_time(61)
    eventually(world.calls(3), what="a question is under way")
    got: list[Reading] = []
    demand = threading.Thread(target=lambda: got.append(world.read(demand="now")))
    demand.start()
    world.aws.version = "v2"
    world.aws.open.set()
    demand.join(10)

    assert got[0].version_id == "v2"


def test_a_shorter_interval_counts_from_now_on(world: SecretWorld) -> None:
    world.schedule.start(threads=1)
    world.read(interval_seconds=86_400)
    assert world.entry.due_at == world.seconds + 86_400

    world.read(interval_seconds=10)

    assert world.entry.due_at == world.seconds + 11


def test_what_nobody_refers_to_is_asked_for_no_more(world: SecretWorld) -> None:
    world.read()
    world.schedule.forget(BACKEND)

    assert world.schedule._entries == {}  # noqa: SLF001 - a leak is not seen from outside


def test_who_leads_no_more_asks_no_more(world: SecretWorld) -> None:
    world.schedule.start(threads=1)
    world.read()
    world.schedule.forget_all()
    world.seconds += 120
    # As one that is left does: it would be answered behind the forgotten one.
    world.read(reference=OTHER)

    assert world.aws.calls == ["describe", "value"] * 2
    assert list(world.schedule.unread_seconds()) == [OTHER]


def test_another_reference_replaces_the_one_before(world: SecretWorld) -> None:
    world.read()
    world.read(reference=OTHER)

    assert list(world.schedule._entries) == [OTHER]  # noqa: SLF001 - a leak is not seen from outside


def test_no_repr_shows_a_value(world: SecretWorld) -> None:
    world.read()

    assert "canary" not in repr(world.schedule._entries)  # noqa: SLF001 - what a debugger prints
