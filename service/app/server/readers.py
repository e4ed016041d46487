"""When a client takes nothing of its answer: it would keep answer and connection forever."""

_NEVER = float("inf")


class Reader:
    """One client, seen by what of its answers is still to be sent."""

    def __init__(self, patience_seconds: float) -> None:
        self._patience_seconds = patience_seconds
        self._unsent_bytes, self._unsent_since = 0, _NEVER

    def has_stalled(self, now: float, unsent_bytes: int) -> bool:
        """Tell whether it took nothing for too long; nothing unsent begins anew."""
        if not unsent_bytes:
            self._unsent_since = _NEVER
        elif self._unsent_since == _NEVER or unsent_bytes < self._unsent_bytes:
            self._unsent_bytes, self._unsent_since = unsent_bytes, now
        return now - self._unsent_since > self._patience_seconds
