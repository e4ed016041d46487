"""What can go wrong, by what a client has to do about it.

CarthubError
├── InvalidSettings        a variable is missing or wrong; the process ends
├── MigrationFailed        the schema could not be brought to this version
├── DatabaseUnavailable    503: nothing was answered, try again later
│   ├── LoginRefused       the credentials of now are not those of PostgreSQL
│   ├── NoConnectionLeft   PostgreSQL has as many sessions as it takes
│   ├── Overloaded         more requests wait for PostgreSQL than it can answer in time
│   ├── NotMigrated        the schema lacks what this version needs
│   ├── ConnectionLost     the statement did not happen
│   └── AnswerLost         the statement may have happened
├── IssuerUnavailable      503: no key to check a token with has been fetched yet
├── Unauthenticated        401: no token, or one that proves nothing
├── RateLimited            429: more requests than one caller may send
├── DatabaseFailed         500: PostgreSQL refused a statement, a fault of ours
└── Refusal                the cart's rules say no; a problem document tells why
    ├── Invalid            422: the request can never work
    ├── NotFound           404
    ├── StateConflict      409: not with the cart as it is now
    │   └── InFlight       409: the same request is at work, try again later
    ├── KeyReused          422: an Idempotency-Key of another request
    └── PreconditionFailed 412: the cart is not the version that was named
"""

from collections.abc import Mapping
from typing import Any


class CarthubError(Exception):
    """Any error that this service raises itself."""


class InvalidSettings(CarthubError):
    """A setting is missing or wrong."""


class MigrationFailed(CarthubError):
    """The schema could not be brought to the version of this image."""


class DatabaseUnavailable(CarthubError):
    """PostgreSQL did not answer; a later try may succeed."""

    detail = "the database does not answer; try again"


class LoginRefused(DatabaseUnavailable):
    """PostgreSQL refused the user or the password: they may be in the middle of a change."""


class NoConnectionLeft(DatabaseUnavailable):
    """PostgreSQL refused one more connection."""

    detail = "the database takes no more connections; try again"


class Overloaded(DatabaseUnavailable):
    """Too many requests wait for a connection, or one has waited too long."""

    detail = "too many requests wait for the database; try again"


class NotMigrated(DatabaseUnavailable):
    """A table or function is missing that this version works with."""

    detail = "the database has not been migrated to this version; try again"


class ConnectionLost(DatabaseUnavailable):
    """The connection ended, and PostgreSQL did nothing of what was asked last."""


class AnswerLost(DatabaseUnavailable):
    """The connection ended after the statement was sent: it may have happened."""

    detail = "the database's answer was lost; a write may have happened"


class IssuerUnavailable(CarthubError):
    """Nobody can be told from anybody: the issuer of tokens has not answered since the start."""


class Unauthenticated(CarthubError):
    """Nobody knows who asks; the text says what a good request has."""


class RateLimited(CarthubError):
    """A caller asks too often."""

    def __init__(self, retry_after_seconds: int) -> None:
        super().__init__(f"too many requests; try again in {retry_after_seconds} s")
        self.retry_after_seconds = retry_after_seconds


class DatabaseFailed(CarthubError):
    """PostgreSQL refused a statement that it should not; told without any value in it."""


class Refusal(CarthubError):
    """A request that the rules refuse: a stable code, a sentence, and members for the answer."""

    def __init__(self, code: str, detail: str, members: Mapping[str, Any] | None = None) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.members = dict(members or {})


class Invalid(Refusal):
    """A value that no state of the cart would make right; `pointer` names it."""

    def __init__(self, pointer: str, detail: str) -> None:
        super().__init__("validation-failed", detail)
        self.pointer = pointer


class NotFound(Refusal):
    """The thing named is not there."""


class StateConflict(Refusal):
    """The cart, as it is now, does not allow this."""


class PreconditionFailed(Refusal):
    """The cart has changed since the version that the request names."""


class InFlight(StateConflict):
    """The first request with this Idempotency-Key has not ended yet."""


class KeyReused(Refusal):
    """The Idempotency-Key belongs to a request that is not the same."""
