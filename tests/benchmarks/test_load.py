import pytest

from benchmarks import load
from benchmarks.load import Answer, Answers
from benchmarks.workload import Kind

_MS = 1_000_000


def _read(number: int, *, sent_ms: float, latency_ms: float, status: int = 200) -> Answer:
    return Answer(number, Kind.READ, status, int(sent_ms * _MS), int(latency_ms * _MS))


def test_latency_counts_from_when_a_request_was_due() -> None:
    # 100 a second: one is due every 10 ms. The third was sent 30 ms late.
    answers = Answers(
        [
            _read(0, sent_ms=1000, latency_ms=2),
            _read(1, sent_ms=1010, latency_ms=2),
            _read(2, sent_ms=1050, latency_ms=2),
        ],
        rate=100,
    )

    assert answers.latencies_ms(0, 10) == pytest.approx([2, 2, 32])


def test_the_most_punctual_request_sets_the_schedule() -> None:
    answers = Answers(
        [_read(0, sent_ms=1005, latency_ms=2), _read(1, sent_ms=1010, latency_ms=2)], rate=100
    )

    assert answers.latencies_ms(0, 10) == pytest.approx([2, 7])


def test_without_a_rate_latency_counts_from_when_it_was_sent() -> None:
    answers = Answers(
        [_read(0, sent_ms=0, latency_ms=3), _read(1, sent_ms=500, latency_ms=1)], rate=None
    )

    assert answers.latencies_ms(0, 10) == [1, 3]


def test_the_warm_up_counts_neither_for_throughput_nor_latency() -> None:
    answers = Answers(
        [_read(number, sent_ms=number * 100, latency_ms=1 + number) for number in range(20)],
        rate=None,
    )

    assert answers.throughput(1, 1) == 10
    assert answers.latencies_ms(1, 0.5) == [float(number) for number in range(11, 16)]


def test_answers_that_the_workload_does_not_expect_are_no_throughput() -> None:
    answers = Answers(
        [
            _read(0, sent_ms=0, latency_ms=1),
            _read(1, sent_ms=1, latency_ms=1, status=503),
            _read(2, sent_ms=2, latency_ms=1, status=0),
        ],
        rate=None,
    )

    assert answers.unexpected() == 2
    assert answers.throughput(0, 1) == 1


@pytest.mark.parametrize(("percent", "expected"), [(50, 50), (99, 99), (100, 100), (1, 1)])
def test_a_percentile_is_a_value_that_was_measured(percent: float, expected: float) -> None:
    assert load.percentile([float(number) for number in range(1, 101)], percent) == expected


def test_the_highest_percentile_of_one_value_is_that_value() -> None:
    assert load.percentile([7.0], 99) == 7
