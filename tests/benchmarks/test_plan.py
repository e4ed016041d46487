import itertools
from typing import TYPE_CHECKING

from benchmarks import plan

if TYPE_CHECKING:
    from benchmarks.rig import Variant


def test_every_variant_takes_every_place() -> None:
    orders = [plan.order(number, plan.SATURATED) for number in range(2 * len(plan.SATURATED))]

    for place in range(len(plan.SATURATED)):
        assert {order[place] for order in orders} == set(plan.SATURATED)


def test_nobody_always_follows_the_same_one() -> None:
    orders = [plan.order(number, plan.SATURATED) for number in range(4)]

    before: dict[Variant, set[Variant]] = {}
    for order in orders:
        for first, second in itertools.pairwise(order):
            before.setdefault(second, set()).add(first)

    assert all(len(found) > 1 for found in before.values())


def test_the_operator_is_measured_only_by_name() -> None:
    assert plan.Part.OPERATOR not in plan.options(is_short=True, is_big=False, parts=()).parts
