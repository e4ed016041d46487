"""The operator's figures that have a bound, and how they stand to it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from benchmarks.scale.results import Figures, Results

PRODUCT, REFERENCE, OWN_SECRETS = "product", "reference", "product, own secrets"
# Where the bounds are meant.
_RESTART_SIZE = _HEAL_SIZE = 500
_MEMORY_SIZE = 1000


@dataclass(frozen=True)
class Goal:
    """A figure, the most it may be, what it aims for, and what both operators have."""

    figure: str
    must: float
    aims: float
    product: float
    reference: float | None
    unit: str = ""

    @property
    def verdict(self) -> str:
        """How the product stands to both."""
        if self.product <= self.aims:
            return "as aimed for"
        return "as it must" if self.product <= self.must else "**missed**"


def goals(results: Results) -> Iterator[Goal]:
    """Yield the goals, each at the size that it names or the nearest that was measured."""
    largest = max(one.resources for one in results.of(PRODUCT))

    def pair(size: int) -> tuple[int, Figures, Figures | None]:
        product = _nearest(results.of(PRODUCT), size)
        others = [one for one in results.of(REFERENCE) if one.resources == product.resources]
        return product.resources, product, others[0] if others else None

    size, product, reference = pair(largest)
    yield Goal(
        f"writes while nothing changes, {size} resources",
        *(0, 0),
        product.idle.requests.writes,
        _maybe(reference, lambda one: one.idle.requests.writes),
    )
    yield Goal(
        f"requests for a new resource, {size} of them",
        *(14, 11),
        round(product.requests_each, 1),
        _maybe(reference, lambda one: round(one.requests_each, 1)),
    )
    size, product, reference = pair(_RESTART_SIZE)
    yield Goal(
        f"requests for a restart, {size} resources, steady reads of Secrets apart",
        *(50, 20),
        _restart(product),
        _maybe(reference, _restart),
    )
    size, product, reference = pair(_HEAL_SIZE)
    yield Goal(
        f"an edited child set back, p99, {size} resources",
        *(2.0, 0.5),
        product.healed_idle.p99_seconds,
        _maybe(reference, lambda one: one.healed_idle.p99_seconds),
        " s",
    )
    size, product, reference = pair(_MEMORY_SIZE)
    yield Goal(
        f"most memory at a time, {size} resources",
        *(300, 300),
        product.peak_mebibytes,
        _maybe(reference, lambda one: one.peak_mebibytes),
        " MiB",
    )


def _restart(found: Figures) -> float:
    return found.restarted.requests.without_secret_reads


def _nearest(found: list[Figures], size: int) -> Figures:
    return min(found, key=lambda one: abs(one.resources - size))


def _maybe(found: Figures | None, value: Callable[[Figures], float]) -> float | None:
    return None if found is None else value(found)
