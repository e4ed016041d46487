"""The queue with a clock that stands still: what is handed out, and when."""

import threading

import pytest

from carthub_operator.api.resource import Key
from carthub_operator.runtime.work_queue import (
    FIRST_RETRY_SECONDS,
    LAST_RETRY_SECONDS,
    Urgency,
    WorkQueue,
)
from tests.support.fakes import FakeClock

ONE, TWO, THREE = Key("shop", "one"), Key("shop", "two"), Key("shop", "three")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def queue(clock: FakeClock) -> WorkQueue:
    return WorkQueue(monotonic=clock.monotonic, jitter=lambda: 0.5)


def _take_all(queue: WorkQueue) -> list[Key]:
    """Take everything that is due."""
    taken = []
    while queue._move_due() is not None or queue._ready:  # noqa: SLF001 - take() would wait
        entry = queue._pop_ready()  # noqa: SLF001 - as above
        if entry is None:
            break
        del queue._wanted[entry.key]  # noqa: SLF001 - as above
        taken.append(entry.key)
    return taken


def test_a_key_is_handed_out_once_however_often_it_was_added(queue: WorkQueue) -> None:
    for _ in range(3):
        queue.add(ONE)

    assert _take_all(queue) == [ONE]


def test_news_come_before_routine(queue: WorkQueue) -> None:
    queue.add(ONE, urgency=Urgency.ROUTINE)
    queue.add(TWO)

    assert _take_all(queue) == [TWO, ONE]


def test_a_first_pass_comes_after_news_and_before_routine(queue: WorkQueue) -> None:
    queue.add(THREE, urgency=Urgency.ROUTINE)
    queue.add(ONE, urgency=Urgency.FIRST_PASS)
    queue.add(TWO)

    assert _take_all(queue) == [TWO, ONE, THREE]


def test_news_of_a_key_that_waits_for_routine_come_first(queue: WorkQueue) -> None:
    queue.add(TWO, urgency=Urgency.ROUTINE)
    queue.add(ONE, urgency=Urgency.ROUTINE)
    queue.add(ONE)

    assert _take_all(queue) == [ONE, TWO]


def test_a_key_that_is_worked_on_is_not_handed_out_again(queue: WorkQueue) -> None:
    queue.add(ONE)
    assert queue.take() == ONE
    queue.add(ONE)
    queue.add(TWO)

    assert queue.take() == TWO
    assert _take_all(queue) == []

    queue.done(ONE)
    assert queue.take() == ONE


def test_a_later_wish_waits_and_an_earlier_one_wins(queue: WorkQueue, clock: FakeClock) -> None:
    queue.add(ONE, after_seconds=60.0)
    assert _take_all(queue) == []

    queue.add(ONE, after_seconds=10.0)
    queue.add(ONE, after_seconds=30.0)
    clock.seconds += 11.0

    assert _take_all(queue) == [ONE]
    clock.seconds += 60.0
    assert _take_all(queue) == []


def test_failures_are_tried_again_later_and_later(queue: WorkQueue) -> None:
    delays = []
    for _ in range(12):
        queue.add(ONE)
        assert queue.take() == ONE
        delays.append(queue.failed(ONE))

    assert delays[:3] == [FIRST_RETRY_SECONDS, FIRST_RETRY_SECONDS * 2, FIRST_RETRY_SECONDS * 4]
    assert delays[-1] == LAST_RETRY_SECONDS


def test_a_repair_that_failed_comes_before_first_passes_again(
    queue: WorkQueue, clock: FakeClock
) -> None:
    queue.add(ONE)
    assert queue.take() == ONE
    delay = queue.failed(ONE)
    queue.add(TWO, urgency=Urgency.FIRST_PASS)

    clock.seconds += delay

    assert _take_all(queue) == [ONE, TWO]


def test_a_pass_that_ends_well_forgets_the_failures(queue: WorkQueue) -> None:
    for _ in range(3):
        queue.add(ONE)
        queue.take()
        queue.failed(ONE)
    queue.add(ONE)
    queue.take()
    queue.done(ONE)
    queue.add(ONE)
    queue.take()

    assert queue.failed(ONE) == FIRST_RETRY_SECONDS


def test_news_do_not_wait_for_the_backoff(queue: WorkQueue) -> None:
    queue.add(ONE)
    queue.take()
    queue.failed(ONE)

    queue.add(ONE)

    assert queue.take() == ONE


def test_the_age_counts_what_is_due_and_what_is_worked_on(
    queue: WorkQueue, clock: FakeClock
) -> None:
    queue.add(ONE)
    queue.add(TWO, after_seconds=60.0)
    clock.seconds += 5.0
    assert queue.oldest_seconds() == 5.0

    queue.take()
    clock.seconds += 7.0

    assert queue.oldest_seconds() == 7.0
    assert len(queue) == 1


def test_closing_wakes_whoever_waits() -> None:
    queue = WorkQueue()
    taken: list[Key | None] = []
    thread = threading.Thread(target=lambda: taken.append(queue.take()))
    thread.start()

    queue.close()
    thread.join(10)

    assert taken == [None]


def test_a_waiting_thread_gets_what_becomes_due() -> None:
    queue = WorkQueue()
    queue.add(ONE, after_seconds=0.05)

    assert queue.take() == ONE


def test_under_contention_no_key_is_ever_worked_on_twice_at_a_time() -> None:
    queue = WorkQueue()
    keys = [Key("shop", f"name-{number}") for number in range(5)]
    busy: set[Key] = set()
    seen: list[Key] = []
    clashes: list[Key] = []
    lock = threading.Lock()
    done = threading.Semaphore(0)

    def work() -> None:
        while (key := queue.take()) is not None:
            with lock:
                clashes.extend([key] if key in busy else [])
                busy.add(key)
                seen.append(key)
            with lock:
                busy.discard(key)
            queue.done(key)
            done.release()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(200):
        for key in keys:
            queue.add(key)
    for _ in keys:
        assert done.acquire(timeout=10)
    queue.close()
    for thread in threads:
        thread.join(10)

    assert set(seen) == set(keys)
    assert clashes == []


def test_a_queue_that_is_paused_hands_out_nothing_and_nothing_waits(
    queue: WorkQueue, clock: FakeClock
) -> None:
    queue.pause()
    queue.add(ONE)
    clock.seconds += 1000.0
    taken: list[Key | None] = []
    taker = threading.Thread(target=lambda: taken.append(queue.take()))
    taker.start()
    assert queue.oldest_seconds() == 0.0
    assert taken == []

    queue.resume()

    taker.join(10)
    assert taken == [ONE]


def test_what_waited_for_a_paused_queue_is_due_from_its_resumption(
    queue: WorkQueue, clock: FakeClock
) -> None:
    queue.pause()
    queue.add(ONE)
    clock.seconds += 1000.0

    queue.resume()
    clock.seconds += 5.0

    assert queue.oldest_seconds() == 5.0


def test_how_long_a_key_waited_is_told(clock: FakeClock) -> None:
    waited: list[float] = []
    queue = WorkQueue(monotonic=clock.monotonic, on_taken=waited.append)
    queue.add(ONE, after_seconds=10.0)
    clock.seconds += 12.5

    assert queue.take() == ONE

    assert waited == [2.5]


def test_a_long_queue_that_moves_is_not_stuck() -> None:
    clock = FakeClock()
    queue = WorkQueue(monotonic=clock.monotonic)
    for number in range(10):
        queue.add(Key("shop", f"{number}"))
    for _ in range(9):
        key = queue.take()
        clock.seconds += 60
        assert key is not None
        queue.done(key)
    assert queue.oldest_seconds() == 540.0
    assert queue.stuck_seconds() == 0.0

    clock.seconds += 130
    assert queue.stuck_seconds() == 130.0


def test_a_pass_that_does_not_end_is_stuck() -> None:
    clock = FakeClock()
    queue = WorkQueue(monotonic=clock.monotonic)
    queue.add(Key("shop", "hangs"))
    assert queue.take() is not None
    clock.seconds += 200
    queue.add(Key("shop", "other"))
    assert queue.take() is not None
    queue.done(Key("shop", "other"))

    assert queue.stuck_seconds() == 200.0


def test_wishes_that_others_have_overtaken_are_not_kept() -> None:
    key, clock = Key("shop", "one"), FakeClock()
    queue = WorkQueue(monotonic=clock.monotonic)
    for _ in range(10_000):
        queue.add(key, after_seconds=86_400)
        queue.add(key)
        assert queue.take() == key
        queue.done(key)
    assert len(queue._later) < 200  # noqa: SLF001 - nothing else shows what it keeps
    queue.add(key, after_seconds=86_400)
    clock.seconds += 86_400
    assert queue.take() == key
