import pytest

from benchmarks import load
from benchmarks.load import Answer, Answers
from benchmarks.workload import Kind

_MS = 1_000_000


def _read(*, sent_ms: float, latency_ms: float, status: int = 200) -> Answer:
    return Answer(Kind.READ, status, int(sent_ms * _MS), int(latency_ms * _MS))


def test_the_warm_up_counts_neither_for_throughput_nor_latency() -> None:
    answers = Answers([_read(sent_ms=number * 100, latency_ms=1 + number) for number in range(20)])

    assert answers.throughput(1, 1) == 10
    assert answers.latencies_ms(1, 0.5) == [float(number) for number in range(11, 16)]


def test_answers_that_the_workload_does_not_expect_are_no_throughput() -> None:
    answers = Answers(
        [
            _read(sent_ms=0, latency_ms=1),
            _read(sent_ms=1, latency_ms=1, status=503),
            _read(sent_ms=2, latency_ms=1, status=0),
        ]
    )

    assert answers.unexpected() == 2
    assert answers.throughput(0, 1) == 1


@pytest.mark.parametrize(("percent", "expected"), [(50, 50), (99, 99), (100, 100), (1, 1)])
def test_a_percentile_is_a_value_that_was_measured(percent: float, expected: float) -> None:
    assert load.percentile([float(number) for number in range(1, 101)], percent) == expected


def test_the_highest_percentile_of_one_value_is_that_value() -> None:
    assert load.percentile([7.0], 99) == 7
