"""What is remembered of CartServices between passes, by name and uid.

One that was deleted and made anew under the same name starts from nothing.
"""

from collections.abc import Callable
from typing import Generic, TypeVar

from carthub_operator.api.resource import Key

T = TypeVar("T")


class Memories(Generic[T]):
    """A memory for each CartService; `fresh` makes an empty one.

    Safe for several threads while no two of them have the same CartService.
    """

    def __init__(self, fresh: Callable[[], T]) -> None:
        self._fresh = fresh
        self._of: dict[Key, tuple[str, T]] = {}

    def of(self, key: Key, uid: str) -> T:
        """Return the memory of a CartService."""
        known, memory = self._of.get(key, (None, None))
        if memory is None or known != uid:
            memory = self._fresh()
            self._of[key] = (uid, memory)
        return memory

    def clear(self) -> None:
        """Drop everything."""
        self._of.clear()

    def forget(self, key: Key) -> None:
        """Drop what is remembered of a CartService that is gone."""
        self._of.pop(key, None)
