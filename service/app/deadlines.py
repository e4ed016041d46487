"""When the running request must be answered: every wait of it, in threads too, ends by then."""

import contextvars
import time

_ends_at: contextvars.ContextVar[float | None] = contextvars.ContextVar("deadline", default=None)


def begin(seconds: float) -> None:
    """Give the running task so many seconds from now."""
    _ends_at.set(time.monotonic() + seconds)


def ends_at(otherwise_seconds: float) -> float:
    """Return the end on the monotonic clock; so many seconds from now where nobody set one."""
    found = _ends_at.get()
    return time.monotonic() + otherwise_seconds if found is None else found
