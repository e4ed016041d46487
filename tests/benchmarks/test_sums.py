import pytest

from benchmarks import sums
from benchmarks.errors import SumsDiffer
from benchmarks.sums import Check, Sums
from benchmarks.workload import Kind


def test_acknowledged_writes_are_held_against_what_was_gained() -> None:
    counts = {(Kind.ADD, 201): 10, (Kind.CHECKOUT, 201): 2, (Kind.CHECKOUT, 409): 5}

    found = sums.checks(counts, Sums(pieces=100, orders=1), Sums(pieces=110, orders=3))

    assert found == (Check(Kind.ADD, 10, 0, 10), Check(Kind.CHECKOUT, 2, 0, 2))
    sums.require(found, "product x1")


@pytest.mark.parametrize("stored", [9, 11])
def test_one_piece_too_few_or_too_many_fails(stored: int) -> None:
    found = sums.checks({(Kind.ADD, 201): 10}, Sums(0, 0), Sums(stored, 0))

    with pytest.raises(SumsDiffer, match=f"product x1: add: 10 acknowledged, 0 .*{stored} stored"):
        sums.require(found, "product x1")


def test_an_order_nobody_was_told_of_fails() -> None:
    found = sums.checks({}, Sums(0, 0), Sums(0, 1))

    with pytest.raises(SumsDiffer, match="checkout"):
        sums.require(found, "product x1")


@pytest.mark.parametrize("status", [0, 500, 503])
def test_a_write_without_a_clear_answer_may_or_may_not_be_there(status: int) -> None:
    counts = {(Kind.ADD, 201): 10, (Kind.ADD, status): 2}

    for stored in (10, 11, 12):
        sums.require(sums.checks(counts, Sums(0, 0), Sums(stored, 0)), "product x1")
    with pytest.raises(SumsDiffer):
        sums.require(sums.checks(counts, Sums(0, 0), Sums(13, 0)), "product x1")


def test_a_refused_write_must_not_be_there() -> None:
    with pytest.raises(SumsDiffer):
        sums.require(sums.checks({(Kind.ADD, 409): 1}, Sums(0, 0), Sums(1, 0)), "product x1")


def test_what_is_lost_is_counted() -> None:
    assert Check(Kind.ADD, acknowledged=10, unclear=0, stored=7).lost == 3
    assert Check(Kind.ADD, acknowledged=10, unclear=2, stored=12).lost == 0
