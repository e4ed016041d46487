"""Which streams live, and when one began anew."""

import threading

import structlog

from carthub_operator.runtime.streams import Streams

CARTS, JOBS = "/apis/carthub.io/v1/cartservices", "/apis/batch/v1/jobs"


class World:
    def __init__(self) -> None:
        self.now = 100.0
        self.streams = Streams(on_listed=lambda _: None, monotonic=lambda: self.now)


def test_every_beginning_of_a_stream_is_told_before_who_waits_for_it_goes_on() -> None:
    begun: list[str] = []

    def asked(path: str) -> None:
        assert waiting.is_alive()
        begun.append(path)

    streams = Streams(on_listed=asked)
    waiting = threading.Thread(target=streams.wait_listed, args=(CARTS, 60.0), daemon=True)
    waiting.start()
    streams.listed(CARTS)
    waiting.join(30)
    assert not waiting.is_alive()
    waiting = threading.current_thread()

    streams.forget()
    streams.listed(CARTS)

    assert begun == [CARTS, CARTS]


def test_a_stream_is_silent_since_it_was_heard_and_idle_since_it_was_tried() -> None:
    world = World()
    world.streams.tried(CARTS)
    world.now += 10
    world.streams.heard(CARTS)
    world.now += 60
    world.streams.tried(JOBS)
    world.now += 5

    assert world.streams.silent_seconds() == {CARTS: 65.0, JOBS: 5.0}
    assert world.streams.idle_seconds() == 65.0

    world.streams.tried(CARTS)
    assert world.streams.idle_seconds() == 5.0


def test_a_stream_that_is_refused_is_not_open() -> None:
    world = World()
    for path in (CARTS, JOBS):
        world.streams.tried(path)
        world.streams.answered(path, 200)
    assert world.streams.count() == 2

    world.streams.answered(JOBS, 403)
    assert world.streams.count() == 1

    world.streams.forget()
    assert world.streams.count() == 0


def test_a_failing_stream_is_logged_once_and_its_return_too() -> None:
    world = World()
    with structlog.testing.capture_logs() as lines:
        for status in (200, 403, 403, 0, 200, 200):
            world.streams.answered(CARTS, status)

    assert [(line["event"], line.get("status")) for line in lines] == [
        ("watch-failed", 403),
        ("watch-failed", 0),
        ("watch-resumed", None),
    ]


def test_whoever_waits_for_a_first_listing_waits_no_longer_than_told() -> None:
    world = World()
    waiting = threading.Thread(target=world.streams.wait_listed, args=(CARTS, 60.0), daemon=True)
    waiting.start()
    world.streams.wait_listed(JOBS, 0.01)
    assert waiting.is_alive()

    world.streams.listed(CARTS)

    waiting.join(30)
    assert not waiting.is_alive()
    world.streams.wait_listed(CARTS, 60.0)
