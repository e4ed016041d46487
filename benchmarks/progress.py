"""A line for each run, with what it showed and how long the rest may take."""

import time
from collections.abc import Callable

from benchmarks.measure import Load, Run

_MINUTE = 60


class Progress:
    """Counts runs, `total` of them."""

    def __init__(self, total: int, say: Callable[[str], None] = print) -> None:
        self._total = total
        self._say = say
        self._done = 0
        self._began = time.monotonic()

    def note(self, found: Run, given: Load) -> None:
        """Tell of a run that ended."""
        self._done += 1
        elapsed = time.monotonic() - self._began
        left = elapsed / self._done * (self._total - self._done)
        self._say(
            f"{self._done:>3}/{self._total}  {found.variant:<13}{_driven(given):<34}"
            f"{found.per_second:>8,.0f}/s{_latency(found):<24}"
            f"{_lost(found)}{left / _MINUTE:5.1f} min left"
        )


def _driven(given: Load) -> str:
    how = f"at {given.rate}/s" if given.rate else "as fast as it goes"
    return f"{given.size.carts:,} x {given.size.lines}, {how}"


def _latency(found: Run) -> str:
    if found.p50_ms is None or found.p99_ms is None:
        return ""
    return f"  p50 {found.p50_ms:.1f} p99 {found.p99_ms:.1f} ms"


def _lost(found: Run) -> str:
    told = []
    if lost := found.checks[0].lost:
        told.append(f"LOST {lost} of {found.checks[0].acknowledged} adds")
    if found.restarts:
        told.append("had to be restarted")
    if found.unexpected:
        told.append(f"{found.unexpected} unexpected answers")
    return "".join(f"{text}  " for text in told)
