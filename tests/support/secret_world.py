"""The schedule of secrets with a clock and an AWS that a test moves."""

import threading
from collections.abc import Callable, Mapping
from typing import Any

from carthub_operator.api.resource import Key
from carthub_operator.contracts import Reading, SecretReference
from carthub_operator.runtime.secret_schedule import AwsSecretSchedule

SECRET = SecretReference("eu-west-1", "prod/carthub/db")
OTHER = SecretReference("eu-west-1", "prod/other")
# In a region that hangs.
LOST = tuple(SecretReference("eu-north-1", f"prod/{number}") for number in range(3))
KNOWN = (SECRET, OTHER, *LOST)
BACKEND = Key("shop", "backend")
FIELDS = {"username": "u", "password": "canary"}

_PATIENCE_SECONDS = 30.0


class FakeAws:
    """Answers as it is told to, and remembers what it was asked; a region of it hangs."""

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


class SecretWorld:
    """The schedule, what it told, and a clock that moves when a test says so."""

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
            patience_seconds=_PATIENCE_SECONDS,
        )

    def be_impatient(self) -> None:
        """Let a pass wait for a moment only: AWS is about to hang."""
        self.schedule._patience_seconds = 0.5  # noqa: SLF001 - one schedule for what hangs and answers

    def be_patient(self) -> None:
        """Let a pass wait for an answer again, however busy the machine is."""
        self.schedule._patience_seconds = _PATIENCE_SECONDS  # noqa: SLF001 - as above

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
            self.schedule._changed.notify_all()  # noqa: SLF001 - as above

    def calls(self, count: int) -> Callable[[], bool]:
        return lambda: len(self.aws.calls) >= count
