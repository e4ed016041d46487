"""What is run in which order, and how long it will take."""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.rig import PGBENCH, PRODUCT, PRODUCT_2, REFERENCE, REFERENCE_2, Variant
from benchmarks.workload import Size

SATURATED = (REFERENCE, PRODUCT, REFERENCE_2, PRODUCT_2, PGBENCH)
COMMON_RATE = (REFERENCE, PRODUCT)
HALF_RATE = (REFERENCE, PRODUCT, PRODUCT_2)
CROWDED = (REFERENCE, PRODUCT_2)
SIZED = (PRODUCT, PGBENCH)
# So few carts that adds to one line meet.
CROWD = Size(carts=5, lines=2)


@dataclass(frozen=True)
class Options:
    """How much is measured."""

    rounds: int = 5
    seconds: float = 8
    warm_up_seconds: float = 2
    connections: int = 16
    carts: int = 100_000
    lines: int = 3
    # Carts, each with so many lines.
    sizes: Sequence[tuple[int, int]] = (
        (10_000, 3),
        (100_000, 3),
        (1_000_000, 3),
        (10_000, 1),
        (10_000, 10),
        (10_000, 100),
    )
    size_rounds: int = 3
    # Both services answer this many a second without effort.
    common_rate: int = 100

    @property
    def size(self) -> Size:
        """The size that everything but the sizes themselves is measured at."""
        return Size(self.carts, self.lines)

    @property
    def run_count(self) -> int:
        """How many runs there are."""
        at_rates = len(COMMON_RATE) + len(HALF_RATE)
        sizes = len(self.sizes) * self.size_rounds * len(SIZED)
        return self.rounds * (len(SATURATED) + at_rates) + len(CROWDED) + sizes


SHORT = Options(
    rounds=3, seconds=4, warm_up_seconds=1, carts=10_000, sizes=((10_000, 3),), size_rounds=1
)


def order(number: int, variants: Sequence[Variant]) -> list[Variant]:
    """Return the variants of a round: each in every place, after a different one.

    Rotation alone would leave everybody behind the same neighbour, so every other round is
    turned round.
    """
    shift = number % len(variants)
    rotated = [*variants[shift:], *variants[:shift]]
    return rotated if number % 2 == 0 else rotated[::-1]
