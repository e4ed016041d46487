"""Logins that are tried before new credentials replace good ones, within bounds.

An answer counts for all CartServices with the same credentials. A database that does not answer
holds up nobody for longer than a moment, and is then left alone for a while; what it said last
counts on meanwhile, so that no refused password slips in while nobody can be asked. While too many
of them hang, what is new waits.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from carthub_operator.contracts import Login
from carthub_operator.desired.facts import DatabaseCredentials

_UNKNOWN, _POSTPONED = Login(), Login(is_postponed=True)
# How long a pass waits; the attempt itself may go on in its own thread.
PATIENCE_SECONDS = 3.0
_ACCEPTED_SECONDS = 300.0
# The password may be set a moment after the secret.
_REFUSED_SECONDS = 5.0
_UNANSWERED_SECONDS = 60.0
_MOST_REMEMBERED = 1000
_MOST_AT_A_TIME = 4


class Attempt(Protocol):
    """Logs in and out again."""

    def __call__(
        self, credentials: DatabaseCredentials, *, ssl_mode: str, authority: str | None
    ) -> Login:
        """Return how it went."""


@dataclass(frozen=True)
class _Question:
    credentials: DatabaseCredentials
    ssl_mode: str
    authority: str | None

    @property
    def place(self) -> tuple[str, int]:
        return self.credentials.host, self.credentials.port


class LoginChecks:
    """Answers whether PostgreSQL takes credentials; safe to use from several threads."""

    def __init__(
        self,
        attempt: Attempt,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self._attempt = attempt
        self._monotonic = monotonic
        self._patience_seconds = patience_seconds
        self._lock = threading.Lock()
        self._slots = threading.BoundedSemaphore(_MOST_AT_A_TIME)
        self._answers: OrderedDict[_Question, tuple[Login, float]] = OrderedDict()
        # Databases that did not answer, and logins of which nobody knows; until when they are left
        # alone. One that is wrong in itself must not make a database silent for all.
        self._silent: dict[tuple[str, int] | _Question, float] = {}

    def attempt(
        self, credentials: DatabaseCredentials, *, ssl_mode: str, authority: str | None
    ) -> Login:
        """Return how a login with these credentials goes, at most a moment later."""
        same = replace(credentials, version_id="", changed_at="", origin="")
        question = _Question(same, ssl_mode, authority)
        now = self._monotonic()
        with self._lock:
            said, until = self._answers.get(question, (_UNKNOWN, 0.0))
            silent_until = (self._silent.get(one, 0.0) for one in (question, question.place))
            if now < max(until, *silent_until):
                return said
        unknown = _UNKNOWN if self._ask(question) else _POSTPONED
        with self._lock:
            return self._answers.get(question, (unknown, 0.0))[0]

    def _ask(self, question: _Question) -> bool:
        """Try a login, and return whether: too many may hang already."""
        if not self._slots.acquire(blocking=False):
            return False

        def ask() -> None:
            try:
                login = self._attempt(
                    question.credentials,
                    ssl_mode=question.ssl_mode,
                    authority=question.authority,
                )
            finally:
                self._slots.release()
            self._keep(question, login)

        asking = threading.Thread(target=ask, name="login-check", daemon=True)
        asking.start()
        asking.join(self._patience_seconds)
        if asking.is_alive():
            self._leave_alone(question.place)
        return True

    def _leave_alone(self, what: tuple[str, int] | _Question) -> None:
        now = self._monotonic()
        with self._lock:
            self._silent = {one: until for one, until in self._silent.items() if now < until}
            self._silent[what] = now + _UNANSWERED_SECONDS

    def _keep(self, question: _Question, login: Login) -> None:
        if not login.is_accepted and login.refusal is None:
            self._leave_alone(question)
            return
        now = self._monotonic()
        with self._lock:
            self._silent.pop(question.place, None)
            lasts = _ACCEPTED_SECONDS if login.is_accepted else _REFUSED_SECONDS
            self._answers[question] = (login, now + lasts)
            while len(self._answers) > _MOST_REMEMBERED:
                self._answers.popitem(last=False)
