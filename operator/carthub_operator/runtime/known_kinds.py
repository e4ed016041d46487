"""Which kinds there are to watch: those of Kubernetes, and what the cluster knows beside them."""

from collections.abc import Callable

from carthub_operator import kinds
from carthub_operator.kinds import Kind


class KnownKinds:
    """The kinds that are watched; `serves` asks the API server."""

    def __init__(self, serves: Callable[[Kind], bool], *, on_change: Callable[[], None]) -> None:
        self._serves = serves
        self._on_change = on_change
        self._optional: tuple[Kind, ...] = ()

    def look(self) -> None:
        """Ask what the cluster knows, and tell where that has changed; raises CarthubError."""
        before = self._optional
        self._optional = tuple(kind for kind in (kinds.SERVICE_MONITOR,) if self._serves(kind))
        if self._optional != before:
            self._on_change()

    def all(self) -> tuple[Kind, ...]:
        """Return every kind to watch."""
        return (*kinds.WATCHED, *self._optional)

    def knows(self, kind: Kind) -> bool:
        """Tell whether a kind is among them: no child of another is made."""
        return kind in self.all()
