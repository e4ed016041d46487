"""When AWS is asked for which secret: once for all CartServices that share it.

Threads of its own do the asking, so that a slow AWS slows nothing else; at most half of them ask
where it did not answer last time. DescribeSecret tells whether the current version has moved; the
value is fetched only then.
"""

import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from carthub_operator.api.conditions import Reason
from carthub_operator.api.resource import Key
from carthub_operator.contracts import Place, Reading, SecretReference
from carthub_operator.errors import CarthubError, SecretError
from carthub_operator.runtime.secret_places import Places

# How long a pass waits for a first answer: long enough for an AWS that answers.
PATIENCE_SECONDS = 2.0
_LEAST_JITTER, _MOST_JITTER = 0.9, 1.1


class SecretsManager(Protocol):
    """AWS Secrets Manager; raises SecretError."""

    def current_version(self, secret: SecretReference) -> str:
        """Return the id of the version that is current."""

    def current_value(self, secret: SecretReference) -> tuple[str, Mapping[str, object]]:
        """Return version id and fields of the current version."""


@dataclass
class _Subscription:
    interval_seconds: int
    known_version: str | None
    # What was told last.
    told: Reading = field(default_factory=Reading)
    is_waiting: bool = False


@dataclass
class _Entry:
    due_at: float
    begun_at: float
    reading: Reading = field(default_factory=Reading)
    failures: int = 0
    is_being_read: bool = False
    # Asked for while it was being read: that answer may be too old.
    is_wanted_again: bool = False
    # Counts the answers, so that a waiting pass knows a new one.
    answers: int = 0
    # When AWS last said what is current.
    read_at: float | None = None
    subscriptions: dict[Key, _Subscription] = field(default_factory=dict)

    @property
    def is_in_use(self) -> bool:
        """Whether a CartService has a version of it, from before a start."""
        return any(one.known_version is not None for one in self.subscriptions.values())


class AwsSecretSchedule:
    """Keeps a reading of every secret that some CartService refers to."""

    def __init__(
        self,
        secrets: SecretsManager,
        *,
        on_change: Callable[[Key], None],
        on_failure: Callable[[SecretReference, SecretError], None],
        monotonic: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,  # noqa: S311 - spreads load, hides nothing
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self._secrets = secrets
        self._on_change = on_change
        self._on_failure = on_failure
        self._monotonic = monotonic
        self._jitter = jitter
        self._patience_seconds = patience_seconds
        self._changed = threading.Condition()
        self._entries: dict[SecretReference, _Entry] = {}
        self._of_key: dict[Key, SecretReference] = {}
        self._demands: dict[Key, str] = {}
        self._places = Places()
        self._threads: list[threading.Thread] = []
        self._is_closed = False

    def start(self, *, threads: int) -> None:
        """Begin to ask."""
        for number in range(threads):
            thread = threading.Thread(
                target=self._work, name=f"secret-schedule-{number}", daemon=True
            )
            self._threads.append(thread)
            thread.start()

    def close(self, timeout_seconds: float) -> None:
        """Ask no more, and wait for questions under way."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        deadline = time.monotonic() + timeout_seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def unread_seconds(self) -> dict[SecretReference, float]:
        """Return how long ago AWS last said what is current, for each secret that is in use.

        After a start that AWS does not answer, it counts from the first question.
        """
        now = self._monotonic()
        with self._changed:
            return {
                reference: now - (entry.begun_at if entry.read_at is None else entry.read_at)
                for reference, entry in self._entries.items()
                if entry.read_at is not None or entry.is_in_use
            }

    def reading(
        self,
        key: Key,
        reference: SecretReference,
        *,
        interval_seconds: int,
        known_version: str | None,
        demand: str | None,
    ) -> Reading:
        """Return what is known, after a short wait for a first answer. See `contracts`."""
        with self._changed:
            now = self._monotonic()
            if self._of_key.get(key) not in {None, reference}:
                self._unsubscribe(key)
            self._of_key[key] = reference
            entry = self._entries.setdefault(reference, _Entry(due_at=now, begun_at=now))
            subscription = entry.subscriptions.setdefault(
                key, _Subscription(interval_seconds, known_version)
            )
            subscription.interval_seconds = interval_seconds
            if entry.failures == 0:
                # An interval that has become shorter counts from now on, not after the longer one.
                latest = now + interval_seconds * _MOST_JITTER
                if entry.due_at > latest:
                    entry.due_at = latest
                    self._changed.notify_all()
            subscription.known_version = known_version
            is_demanded = demand is not None and self._demands.get(key) != demand
            if demand is not None:
                self._demands[key] = demand
            if is_demanded or not _is_enough(entry.reading, known_version):
                self._wait_for_answer(reference.place, entry, subscription, is_demanded=is_demanded)
            subscription.told = entry.reading
            return entry.reading

    def forget_all(self) -> None:
        """Stop looking for any: another operator does."""
        with self._changed:
            self._entries.clear()
            self._places.forget_all()
            self._of_key.clear()
            self._demands.clear()

    def forget(self, key: Key) -> None:
        """Stop looking for this CartService."""
        with self._changed:
            self._unsubscribe(key)
            self._demands.pop(key, None)

    def _wait_for_answer(
        self, place: Place, entry: _Entry, subscription: _Subscription, *, is_demanded: bool
    ) -> None:
        wanted = entry.answers + 1
        if entry.is_being_read:
            entry.is_wanted_again = True
            wanted += 1
        elif is_demanded or entry.failures == 0:
            entry.due_at = min(entry.due_at, self._monotonic())
        subscription.is_waiting = True
        self._changed.notify_all()
        if self._places.may_serve(place):
            is_answered = self._changed.wait_for(
                lambda: entry.answers >= wanted or self._is_closed, self._patience_seconds
            )
            if not is_answered:
                self._places.note(place, serves=False)
        subscription.is_waiting = False

    def _unsubscribe(self, key: Key) -> None:
        reference = self._of_key.pop(key, None)
        if reference is None:
            return
        entry = self._entries[reference]
        entry.subscriptions.pop(key, None)
        if not entry.subscriptions:
            del self._entries[reference]
            if all(other.place != reference.place for other in self._entries):
                self._places.forget(reference.place)

    def _work(self) -> None:
        while True:
            with self._changed:
                now = self._monotonic()
                while (found := self._next(now)) is None and not self._is_closed:
                    self._changed.wait(self._seconds_to_next(now))
                    now = self._monotonic()
                if found is None or self._is_closed:
                    return
                reference, entry = found
                entry.is_being_read = True
                self._places.begin(reference.place, now)
                known = {one.known_version for one in entry.subscriptions.values()}
                before = entry.reading
            after = self._read(reference, before, known)
            with self._changed:
                self._places.end(reference.place)
                changed = self._keep(reference, entry, after)
            if after.error is not None and after.error is not before.error:
                self._on_failure(reference, after.error)
            for key in changed:
                self._on_change(key)

    def _next(self, now: float) -> tuple[SecretReference, _Entry] | None:
        due = [
            one
            for one in self._entries.items()
            if one[1].due_at <= now and not one[1].is_being_read
        ]
        if not due:
            return None
        due.sort(key=lambda one: one[1].due_at)
        # Each place once, in the order of what is due there.
        places = dict.fromkeys(reference.place for reference, _ in due)
        askable = self._places.askable(places, most_tries=max(1, len(self._threads) // 2))
        return next((one for one in due if one[0].place in askable), None)

    def _seconds_to_next(self, now: float) -> float | None:
        # For what is due by now a thread that comes back looks.
        later = [
            entry.due_at
            for entry in self._entries.values()
            if entry.due_at > now and not entry.is_being_read
        ]
        return min(later) - now if later else None

    def _read(self, reference: SecretReference, before: Reading, known: set[str | None]) -> Reading:
        """Ask AWS; what was known stays where it fails."""
        try:
            version = self._secrets.current_version(reference)
            if version == before.version_id and before.fields is not None:
                return Reading(version, before.fields)
            if known == {version}:
                # Everybody has it already, from before a restart.
                return Reading(version)
            return Reading(*self._secrets.current_value(reference))
        except SecretError as error:
            failure = error
        except CarthubError as error:
            failure = SecretError(Reason.SECRET_SOURCE_UNAVAILABLE, str(error))
        except Exception as error:  # noqa: BLE001 - no surprise of a client may end the thread
            why = f"AWS cannot be asked: {type(error).__name__}"
            failure = SecretError(Reason.SECRET_SOURCE_UNAVAILABLE, why)
        if before.error is not None and str(before.error) == str(failure):
            failure = before.error
        return Reading(before.version_id, before.fields, failure)

    def _keep(self, reference: SecretReference, entry: _Entry, after: Reading) -> list[Key]:
        """Take an answer; return whom it is news to."""
        subscriptions = entry.subscriptions
        interval = min((one.interval_seconds for one in subscriptions.values()), default=60)
        entry.failures = entry.failures + 1 if after.error is not None else 0
        delay = float(interval)
        if entry.failures:
            delay = min(delay, 2.0 ** min(entry.failures, 16))
        spread = _LEAST_JITTER + (_MOST_JITTER - _LEAST_JITTER) * self._jitter()
        entry.due_at = self._monotonic() + (0.0 if entry.is_wanted_again else delay * spread)
        if after.error is None:
            entry.read_at = self._monotonic()
        if self._entries.get(reference) is entry:
            self._places.note(reference.place, serves=not _is_of_aws(after))
        entry.reading = after
        entry.answers += 1
        entry.is_being_read = entry.is_wanted_again = False
        self._changed.notify_all()
        return [
            key for key, one in subscriptions.items() if not one.is_waiting and _is_news(one, after)
        ]


def _is_enough(reading: Reading, known_version: str | None) -> bool:
    """Tell whether a reading is all that a CartService with this version needs."""
    if reading.error is not None:
        return True
    return reading.version_id is not None and (
        reading.fields is not None or reading.version_id == known_version
    )


def _is_news(subscription: _Subscription, reading: Reading) -> bool:
    """Tell whether it is another one than was told, or has the value that was missing."""
    told, known = subscription.told, subscription.known_version
    return _facts(told) != _facts(reading) or (
        _is_enough(reading, known) and not _is_enough(told, known)
    )


def _facts(reading: Reading) -> tuple[str | None, str]:
    return reading.version_id, str(reading.error)


def _is_of_aws(reading: Reading) -> bool:
    """Tell whether it was AWS that failed, and not the secret that is wrong."""
    return reading.error is not None and reading.error.reason == Reason.SECRET_SOURCE_UNAVAILABLE
