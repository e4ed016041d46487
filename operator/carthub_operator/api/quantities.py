"""Kubernetes' quantities, by value: `1000m` is `1`.

The form: kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity
"""

from decimal import Decimal
from typing import Final

_SUFFIXES: Final = {
    **{
        suffix: Decimal(10) ** power
        for suffix, power in {
            "n": -9,
            "u": -6,
            "m": -3,
            "": 0,
            "k": 3,
            "M": 6,
            "G": 9,
            "T": 12,
            "P": 15,
            "E": 18,
        }.items()
    },
    **{f"{unit}i": Decimal(1024) ** power for power, unit in enumerate("KMGTPE", start=1)},
}


def quantity(text: str | int) -> Decimal:
    """Return the number that a quantity means; raises ArithmeticError where it is none."""
    literal = str(text)
    # 1e3 and 1E3 are numbers, 1E is a suffix: only a last letter can be one.
    number = literal.rstrip("numkKMGTPEi")
    return Decimal(number) * _SUFFIXES[literal[len(number) :]]
