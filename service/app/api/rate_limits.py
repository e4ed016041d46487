"""How often a caller may ask: the generic cell rate algorithm, one number for each caller.

Our own and not the library `limits`, which walks through all its keys in a thread of its own,
goes by the clock on the wall, and would bring three packages into the image for one formula.
"""

import ipaddress
import math
import time
from collections.abc import Callable

from fastapi import Request

from app.api.auth import Caller
from app.errors import RateLimited

_PERIODS = {"second": 1.0, "minute": 60.0, "hour": 3600.0}
# Beyond these a tenth, those that were new first, is forgotten, and starts afresh.
_CALLERS = 50_000


class RateLimiter:
    """So many requests in any period, all at once if need be; used on one event loop."""

    def __init__(self, rate: str, clock: Callable[[], float] = time.monotonic) -> None:
        count, _, period = rate.partition("/")
        self._period_seconds = _PERIODS[period]
        self._each_seconds = self._period_seconds / int(count)
        self._clock = clock
        # Until when each has used up its share; in the order of the first request.
        self._used_until: dict[str, float] = {}

    def take(self, key: str) -> None:
        """Count a request, or raise RateLimited."""
        now = self._clock()
        used_until = max(self._used_until.get(key, now), now) + self._each_seconds
        early_seconds = used_until - now - self._period_seconds
        # What is left of adding the same share up again and again.
        if early_seconds > self._each_seconds / 1000:
            raise RateLimited(math.ceil(early_seconds))
        if key not in self._used_until and len(self._used_until) >= _CALLERS:
            self._forget(now)
        self._used_until[key] = used_until

    def _forget(self, now: float) -> None:
        self._used_until = {key: until for key, until in self._used_until.items() if until > now}
        # Many at once: a walk through all of them for every new one would stop the event loop.
        for key in list(self._used_until)[: max(0, len(self._used_until) - _CALLERS * 9 // 10)]:
            del self._used_until[key]


def key_of(request: Request, caller: Caller) -> str | None:
    """Return who shares one rate: a subject, or else an address; None: a service, and no limit."""
    if request.app.state.service.verifier is not None:
        # Services are the shop's own; they speak for all of its customers.
        return None if caller.is_service else f"sub:{caller.subject}"
    return network(request.client.host if request.client else "")


def network(address: str) -> str:
    """Return what stands for all addresses that one client may have."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        # What a trusted proxy says need not be one.
        return address
    if isinstance(ip, ipaddress.IPv4Address):
        return str(ip)
    if ip.ipv4_mapped is not None:
        return str(ip.ipv4_mapped)
    # Whoever has one address of IPv6 has all of its /64.
    return str(ipaddress.ip_network(f"{ip}/64", strict=False))
