"""What to do with requests while no worker has a connection.

A crash is over in a second, so requests wait a little; an hour later the next request is refused
at once. Credentials in the middle of a change are worth a request's whole time, and a server
without a free session nothing at all: waiting clients would only make it worse.
"""

import math
import random
from dataclasses import dataclass

from app.errors import DatabaseUnavailable, LoginRefused, NoConnectionLeft

_FIRST_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 0.5


@dataclass(frozen=True)
class Outage:
    """Why nobody can be asked, and since when."""

    began_at: float
    patience_seconds: float
    error: DatabaseUnavailable

    @property
    def most_seconds(self) -> float:
        """How long a request may wait, its deadline apart."""
        if isinstance(self.error, LoginRefused):
            return math.inf
        return 0.0 if isinstance(self.error, NoConnectionLeft) else self.patience_seconds

    def is_hopeless(self, now: float) -> bool:
        """Tell whether requests are refused rather than kept waiting."""
        return now >= self.began_at + self.most_seconds

    def refusal(self) -> DatabaseUnavailable:
        """Return the error for one request."""
        return type(self.error)(str(self.error))


def pause_seconds(failed_tries: int) -> float:
    """Return how long a lane waits before it tries to connect again, never in step."""
    longest = min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * (1 << min(failed_tries, 10)))
    return longest * random.uniform(0.5, 1)  # noqa: S311 - no secret
