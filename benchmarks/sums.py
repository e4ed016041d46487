"""Whether the database holds what clients were told: the reason to believe a figure at all."""

from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks import load
from benchmarks.errors import SumsDiffer
from benchmarks.workload import SET_PRODUCT, Kind

# Pieces that adds brought, in open carts and in orders; and orders. Both services have these
# columns. Carts that are checked out keep their lines, so those count in the order only.
SUMS = f"""
SELECT
    (
        SELECT coalesce(sum(i.quantity), 0)
        FROM cart_items AS i JOIN carts AS c ON c.id = i.cart_id
        WHERE c.status = 'active' AND i.product_id <> '{SET_PRODUCT}'
    ) + (
        SELECT coalesce(sum(quantity), 0) FROM order_items WHERE product_id <> '{SET_PRODUCT}'
    ),
    (SELECT count(*) FROM orders)
"""  # noqa: S608 - a number of our own


@dataclass(frozen=True)
class Sums:
    """What the database holds."""

    pieces: int
    orders: int


@dataclass(frozen=True)
class Check:
    """What clients were told of one kind of write, and what the database gained."""

    kind: Kind
    acknowledged: int
    unclear: int
    stored: int

    @property
    def lost(self) -> int:
        """How many acknowledged writes are not there."""
        return max(0, self.acknowledged - self.stored)

    @property
    def is_right(self) -> bool:
        """Whether what is stored is what was acknowledged, give or take unclear answers."""
        return self.acknowledged <= self.stored <= self.acknowledged + self.unclear

    def __str__(self) -> str:
        return (
            f"{self.kind}: {self.acknowledged} acknowledged, {self.unclear} unclear, "
            f"{self.stored} stored"
        )


def checks(
    counts: Mapping[tuple[Kind, int], int], before: Sums, after: Sums
) -> tuple[Check, Check]:
    """Compare the answers to adds and checkouts with what the database gained."""
    return (
        _check(counts, Kind.ADD, after.pieces - before.pieces),
        _check(counts, Kind.CHECKOUT, after.orders - before.orders),
    )


def require(found: tuple[Check, ...], who: str) -> None:
    """Raise SumsDiffer unless every check is right."""
    if wrong := [str(check) for check in found if not check.is_right]:
        raise SumsDiffer(f"{who}: {'; '.join(wrong)}")


def _check(counts: Mapping[tuple[Kind, int], int], kind: Kind, stored: int) -> Check:
    return Check(kind, load.acknowledged(counts, kind), load.unclear(counts, kind), stored)
