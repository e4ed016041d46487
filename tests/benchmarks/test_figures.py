import dataclasses

from benchmarks.figures import Spread, figures, ratio
from benchmarks.measure import Run
from benchmarks.rig import PRODUCT, REFERENCE
from benchmarks.sums import Check
from benchmarks.workload import Kind

_RUN = Run(
    variant="product x1",
    per_second=100,
    requests=1000,
    unexpected=0,
    p50_ms=2,
    p99_ms=6,
    worker_cpu_us=500,
    worker_mib=90.04,
    database_cpu_us=200,
    restarts=1,
    checks=(Check(Kind.ADD, 250, 0, 249), Check(Kind.CHECKOUT, 10, 0, 10)),
)


def test_ratios_are_taken_within_a_round() -> None:
    def of_round(product: float, reference: float) -> dict[str, Run]:
        return {
            PRODUCT.label: dataclasses.replace(_RUN, per_second=product),
            REFERENCE.label: dataclasses.replace(_RUN, per_second=reference),
        }

    # The machine was twice as fast in the second round; the ratio does not see it.
    rounds = [of_round(100, 10), of_round(200, 20), of_round(90, 10)]

    assert ratio(rounds, PRODUCT, REFERENCE) == Spread(median=10, low=9, high=10)


def test_figures_are_medians_with_their_spread() -> None:
    slower = dataclasses.replace(_RUN, per_second=50, p99_ms=20, unexpected=3)

    found = figures([_RUN, slower, _RUN])

    assert found.per_second == Spread(100, 50, 100)
    assert found.p99_of_p50 == Spread(3, 3, 10)
    assert (found.unexpected, found.lost_adds, found.worker_mib) == (3, 3, 90)
    assert (found.acknowledged_adds, found.restarts) == (750, 3)


def test_what_pgbench_does_not_tell_is_absent() -> None:
    bare = dataclasses.replace(_RUN, p50_ms=None, p99_ms=None, worker_cpu_us=None, worker_mib=None)

    found = figures([bare])

    assert (found.p50_ms, found.p99_of_p50, found.worker_cpu_us, found.worker_mib) == (
        None,
        None,
        None,
        None,
    )
