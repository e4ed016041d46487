from decimal import Decimal

import pytest

from carthub_operator.api.quantities import quantity


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1000m", 1),
        ("1", "1.0"),
        ("1Gi", "1024Mi"),
        ("1e3", "1k"),
        ("1E3", 1000),
        ("1E", "1000P"),
        (".5", "500m"),
        ("1000000u", 1),
    ],
)
def test_quantities_are_equal_by_value(one: str | int, other: str | int) -> None:
    assert quantity(one) == quantity(other)


def test_binary_and_decimal_suffixes_differ() -> None:
    assert quantity("1Ki") - quantity("1k") == Decimal(24)
