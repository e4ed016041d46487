"""How much of large bodies all connections together may hold in memory."""

from typing import Protocol


class Request(Protocol):
    """What a body belongs to."""

    response_complete: bool


class HeldBytes:
    """What a server holds of large bodies whose requests have not been answered."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._count = 0

    def add(self, count: int) -> bool:
        """Hold so many more and return True, or hold none of them where all are too many."""
        if self._count + count > self._most:
            return False
        self._count += count
        return True

    def remove(self, count: int) -> None:
        """Hold so many less."""
        self._count -= count


class LargeBodies:
    """One connection's share of them."""

    def __init__(self, held: HeldBytes) -> None:
        self._held = held
        self._counts: dict[Request, int] = {}

    def hold(self, request: Request, count: int) -> bool:
        """Hold a part of a request's body; False where all connections hold too much."""
        if not self._held.add(count):
            return False
        self._counts[request] = self._counts.get(request, 0) + count
        return True

    def let_answered_go(self) -> None:
        """Hold nothing of the requests that have been answered."""
        for request in [request for request in self._counts if request.response_complete]:
            self._held.remove(self._counts.pop(request))

    def let_all_go(self) -> None:
        """Hold nothing more: the connection is lost."""
        self._held.remove(sum(self._counts.values()))
        self._counts.clear()
