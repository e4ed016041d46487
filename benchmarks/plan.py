"""What is run in which order, and how much of it."""

import dataclasses
import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from benchmarks.rig import PGBENCH, PRODUCT, PRODUCT_2, REFERENCE, REFERENCE_2, Callers, Variant
from benchmarks.workload import Size

T = TypeVar("T")


class Part(enum.StrEnum):
    """A question that the benchmark answers."""

    SATURATION = "saturation"  # how many requests a second
    RATES = "rates"  # how long an answer takes when there is room
    CROWD = "crowd"  # what becomes of adds that meet
    TOKENS = "tokens"  # what customers' own tokens cost
    SIZES = "sizes"  # what more and larger carts change
    OPERATOR = "operator"  # what many CartServices cost; an hour of its own, so only by name


SERVICE_PARTS = tuple(part for part in Part if part is not Part.OPERATOR)


SATURATED = (REFERENCE, PRODUCT, REFERENCE_2, PRODUCT_2, PGBENCH)
COMMON_RATE = (REFERENCE, PRODUCT)
HALF_RATE = (REFERENCE, PRODUCT, PRODUCT_2)
CROWDED = (REFERENCE, PRODUCT_2)
SIZED = (PRODUCT, PGBENCH)
# So few carts that adds to one line meet.
CROWD = Size(carts=5, lines=2)
# A customer asks some ten times in a run: as in a visit to a shop.
VISITORS = Size(carts=1_000, lines=3)

_SIZE = Size(100_000, 3)
_SIZES = (
    Size(10_000, 3),
    _SIZE,
    Size(1_000_000, 3),
    Size(10_000, 1),
    Size(10_000, 10),
    Size(10_000, 100),
)
_BIG = Size(10_000_000, 3)


@dataclass(frozen=True)
class Options:
    """How much is measured."""

    rounds: int = 5
    seconds: float = 8
    warm_up_seconds: float = 2
    # At half of the saturation, where one stall is to decide nothing.
    half_rate_seconds: float = 16
    connections: int = 16
    # At a fixed rate: so many that a stall keeps no request from being sent when it is due.
    paced_connections: int = 64
    size: Size = _SIZE
    sizes: Sequence[Size] = _SIZES
    size_rounds: int = 3
    # Both services answer this many a second without effort.
    common_rate: int = 100
    parts: Sequence[Part] = SERVICE_PARTS

    @property
    def run_count(self) -> int:
        """How many runs there are."""
        counts = {
            Part.SATURATION: self.rounds * len(SATURATED),
            Part.RATES: self.rounds * (len(COMMON_RATE) + len(HALF_RATE)),
            Part.CROWD: len(CROWDED),
            Part.TOKENS: self.rounds * len(Callers),
            Part.SIZES: len(self.sizes) * self.size_rounds * len(SIZED),
        }
        if Part.SATURATION not in self.parts:
            # Half of it is asked for.
            counts[Part.RATES] += self.rounds * len(HALF_RATE)
        return sum(counts[part] for part in self.parts)


def options(*, is_short: bool, is_big: bool, parts: Sequence[Part]) -> Options:
    """Return what was asked for."""
    chosen = _SHORT if is_short else Options()
    if is_big:
        chosen = dataclasses.replace(chosen, sizes=(*chosen.sizes, _BIG))
    return dataclasses.replace(chosen, parts=tuple(parts) or SERVICE_PARTS)


_SHORT = Options(
    rounds=3,
    seconds=4,
    warm_up_seconds=1,
    half_rate_seconds=4,
    size=Size(10_000, 3),
    sizes=(Size(10_000, 3), Size(10_000, 10)),
    size_rounds=1,
)


def order(number: int, things: Sequence[T]) -> list[T]:
    """Return the order of a round: each thing in every place, after a different one.

    Rotation alone would leave everybody behind the same neighbour, so every other round is
    turned round.
    """
    shift = number % len(things)
    rotated = [*things[shift:], *things[:shift]]
    return rotated if number % 2 == 0 else rotated[::-1]


def pairs() -> Sequence[tuple[Variant, Variant]]:
    """Return which throughput is told as a multiple of which."""
    return (
        (PRODUCT, REFERENCE),
        (PRODUCT_2, REFERENCE_2),
        (PRODUCT_2, PRODUCT),
        (PRODUCT, PGBENCH),
        (PRODUCT_2, PGBENCH),
        (PGBENCH, REFERENCE),
    )
