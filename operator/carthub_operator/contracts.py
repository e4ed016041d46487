"""What the reconcile needs of the world around it; `edges` and `runtime` fulfil it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from carthub_operator.api.resource import Key
from carthub_operator.desired.facts import DatabaseCredentials, Manifest
from carthub_operator.errors import SecretError
from carthub_operator.kinds import Kind


class Cluster(Protocol):
    """The API server; raises `errors`."""

    def create(self, manifest: Manifest) -> Manifest:
        """Create an object; raises Conflict where the name is taken."""

    def apply(self, manifest: Manifest, *, uid: str, field_manager: str = ...) -> Manifest:
        """Apply an object that exists; raises Conflict unless it is the one with this uid."""

    def overwrite(self, manifest: Manifest, *, uid: str) -> Manifest:
        """Give an object every list of the manifest as a whole, whoever has added to it."""

    def apply_status(self, manifest: Manifest, *, uid: str) -> Manifest:
        """Apply the status of a CartService."""

    def get(self, kind: Kind, namespace: str, name: str) -> Manifest | None:
        """Return an object, or None where there is none."""

    def delete(self, kind: Kind, namespace: str, name: str, *, uid: str) -> None:
        """Delete the object with this uid, or find it gone; raises Conflict where another is."""

    def create_event(self, event: Manifest) -> None:
        """Post a Kubernetes Event."""


class Kinds(Protocol):
    """The kinds that are watched."""

    def knows(self, kind: Kind) -> bool:
        """Tell whether a kind is among them: no child of another is made."""


class Cache(Protocol):
    """What the watches have seen, and what the operator itself has written since."""

    def resource(self, key: Key) -> Manifest | None:
        """Return the CartService, or None where there is none."""

    def children(self, namespace: str, uid: str) -> Sequence[Manifest]:
        """Return the objects that carry the label of this CartService, pods not."""

    def pods(self, namespace: str, uid: str) -> Sequence[Manifest]:
        """Return the pods that carry the label of this CartService."""

    def put(self, manifest: Manifest) -> bool:
        """Remember an object as the API server answered it; return whether that was news."""

    def discard(self, manifest: Manifest) -> bool:
        """Forget an object, unless a later one is known; return whether."""

    def forget(self, kind: str, namespace: str, name: str) -> None:
        """Forget whatever is known of an object by its name."""


# Region and role at AWS: what answers or hangs as one, and has one client.
Place = tuple[str, str | None]


@dataclass(frozen=True)
class SecretReference:
    """Which secret at AWS, and the role it is read in; None: the operator's own."""

    region: str
    secret_id: str
    role_arn: str | None = None

    @property
    def place(self) -> Place:
        """Where it is read, and with whose rights."""
        return self.region, self.role_arn


@dataclass(frozen=True)
class Reading:
    """What is known of a secret: the last version that was seen, the error of the last look.

    All None while the first answer is awaited. `fields` is None where nobody needed the value.
    """

    version_id: str | None = None
    fields: Mapping[str, object] | None = field(default=None, repr=False)
    error: SecretError | None = None


class SecretSchedule(Protocol):
    """Looks at secrets in its own time, and calls for a reconcile where one has changed."""

    def reading(
        self,
        key: Key,
        reference: SecretReference,
        *,
        interval_seconds: int,
        known_version: str | None,
        demand: str | None,
    ) -> Reading:
        """Return what is known, after a short wait for a first answer.

        The value is fetched unless `known_version` is current. A `demand` not seen before looks
        at once.
        """

    def forget(self, key: Key) -> None:
        """Stop looking for this CartService."""


@dataclass(frozen=True)
class Login:
    """How a login at the database went: accepted, refused, or neither, where nobody knows.

    `refusal` is the SQLSTATE; `max_connections` is what the server takes in all. A postponed one
    was not tried, as too many others hang: ask again soon.
    """

    is_accepted: bool = False
    refusal: str | None = None
    is_postponed: bool = False
    max_connections: int | None = None


class Logins(Protocol):
    """Tries logins."""

    def attempt(
        self, credentials: DatabaseCredentials, *, ssl_mode: str, authority: str | None
    ) -> Login:
        """Return how it goes; `authority` is the PEM text that `verify-*` needs."""


class Clock(Protocol):
    """The time."""

    def now(self) -> str:
        """Return the time of day as RFC 3339, in UTC, to the second."""

    def now_precisely(self) -> str:
        """Return the same to the microsecond."""

    def monotonic(self) -> float:
        """Return seconds since some moment, never set back."""
