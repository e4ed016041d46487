"""Children edited by hand, one after the other, and how long each stays so."""

import contextlib
import itertools
import threading
import time
from collections.abc import Iterator, Sequence

from benchmarks.errors import BenchmarkFailed
from benchmarks.load import percentile
from benchmarks.scale import subjects
from benchmarks.scale.results import Healed
from benchmarks.scale.stage import Stage
from benchmarks.scale.subjects import Subject
from carthub_dev.audit import Event
from carthub_dev.errors import NotReady
from carthub_dev.processes import wait_until

_EDITED = "edited"
_ADMIN = "admin"
# The reference looks once a minute, and takes a while for many; or never while others keep it busy.
_DEADLINE_SECONDS = 300.0
_LOGGED_SECONDS = 30.0
_LEVELS = ("DEBUG", "INFO")
_ERROR = 400


def healed(stage: Stage, subject: Subject, count: int) -> Healed:
    """Edit children on schedule, whether those before are healed or not; wait for all.

    What is not healed by the deadline counts as if it had been healed then.
    """
    edits = min(stage.options.edits, count)
    mark = stage.plane.audit_mark()
    began = time.monotonic()
    for number in range(edits):
        _sleep_until(began + number / stage.options.edits_per_second)
        change = {"spec": {"selector": {subject.selector: _EDITED}}}
        path = subject.services.path(subjects.service(number * count // edits))
        stage.api.patch(path, change)

    def unhealed() -> int:
        return sum(
            one["spec"]["selector"].get(subject.selector) == _EDITED
            for one in stage.api.objects(subject.services)
        )

    what = f"{subject.name}: every edited Service"
    with contextlib.suppress(NotReady):
        wait_until(lambda: not unhealed(), _DEADLINE_SECONDS, what=what, interval_seconds=0.5)
    left = unhealed()

    def seen() -> list[float]:
        return sorted(times(list(stage.plane.audit_events(mark)), user=subject.user))

    # A write is in the log once it is answered, a little after others see what it did.
    with contextlib.suppress(NotReady):
        wait_until(
            lambda: len(seen()) >= edits - left, _LOGGED_SECONDS, what="the writes in the log"
        )
    seconds = seen()
    missing = edits - len(seconds)
    if missing > left:
        raise BenchmarkFailed(f"{what}: {edits} edits, {len(seconds)} of them seen to be healed")
    seconds += [_DEADLINE_SECONDS] * missing
    return Healed(
        edits=edits,
        p50_seconds=round(percentile(seconds, 50), 3),
        p99_seconds=round(percentile(seconds, 99), 3),
        most_seconds=round(seconds[-1], 3),
        unhealed=missing,
    )


def times(events: Sequence[Event], *, user: str) -> list[float]:
    """Return the seconds from each edit of a Service to the user's next write of it."""
    changed = [one for one in events if one.resource == "services" and one.is_write]
    edited: dict[str, Event] = {}
    found = []
    for one in sorted(changed, key=lambda event: event.at):
        if one.user == _ADMIN:
            edited[one.name] = one
        elif one.user == user and one.code < _ERROR and one.name in edited:
            found.append((one.at - edited.pop(one.name).at).total_seconds())
    return found


@contextlib.contextmanager
def load(stage: Stage, subject: Subject, count: int) -> Iterator[None]:
    """Keep changing resources, each of which rolls its pods."""
    ended = threading.Event()
    failures: list[Exception] = []

    def change() -> None:
        began = time.monotonic()
        try:
            for number in itertools.count():
                if ended.wait(began + number / stage.options.changes_per_second - time.monotonic()):
                    return
                level = _LEVELS[number // count % len(_LEVELS)]
                path = subject.resources.path(subjects.name(number % count))
                stage.api.patch(path, {"spec": {"logLevel": level}})
        except Exception as error:  # noqa: BLE001 - told by the thread that waits
            failures.append(error)

    thread = threading.Thread(target=change, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
    if failures:
        raise BenchmarkFailed(f"{subject.name}: the load ended early: {failures[0]}")


def _sleep_until(moment: float) -> None:
    time.sleep(max(0.0, moment - time.monotonic()))
