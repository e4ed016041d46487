"""The time, so that nothing behind the edges asks the machine for it."""

import datetime as dt
import time


class SystemClock:
    """The machine's clocks."""

    def now(self) -> str:
        """Return the time of day as RFC 3339, in UTC, to the second."""
        return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def now_precisely(self) -> str:
        """Return the same to the microsecond."""
        return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    def monotonic(self) -> float:
        """Return seconds since some moment, never set back."""
        return time.monotonic()
