"""The operator with a dozen resources: counts are asserted, never a speed.

`make faults` does it with 500, for which some figures have bounds, and prints them.
"""

from collections.abc import Iterator

import pytest

from benchmarks.scale import healing, subjects
from benchmarks.scale.options import SHORT, Options
from benchmarks.scale.results import Requests
from benchmarks.scale.scenario import Scenario
from benchmarks.scale.stage import Stage, stage
from benchmarks.scale.subjects import Product, Reference
from carthub_dev.ledger import Ledger
from carthub_dev.processes import wait_until
from tests.support.sizes import size

_IS_FULL = bool(size(short=False, full=True))
_OPTIONS = Options() if _IS_FULL else SHORT
_COUNT = size(short=12, full=500)
_REFERENCE_COUNT = 3
_SECONDS = 60.0


@pytest.fixture(scope="module")
def running(ledger: Ledger, played_nodes_tools: None) -> Iterator[Stage]:  # noqa: ARG001 - built by it
    with stage(ledger, _OPTIONS) as opened:
        yield opened


def _silent(_: str) -> None:
    """Say nothing."""


@pytest.mark.faults
@pytest.mark.timeout(size(short=180, full=3600))
def test_so_many_resources_cost_what_the_documentation_says(running: Stage) -> None:
    subject = Product(running)
    scenario = Scenario(running, subject, _COUNT, _silent)
    subject.start()
    try:
        converged = scenario.converged()
        assert subject.converged() == _COUNT
        assert converged.requests.writes / _COUNT >= 7
        # What belongs to the start and not to a resource is asked before the first one is made.
        # A rollout that takes long is told of once in ten seconds.
        most = 14 if _IS_FULL else 14 + converged.seconds // 10
        assert converged.requests.without_secret_reads / _COUNT <= most, converged.requests.kinds

        mark, passes = running.plane.audit_mark(), subject.operator.passes()
        for number in range(_COUNT):
            path = subject.resources.path(subjects.name(number))
            assert running.api.patch(path, {"metadata": {"annotations": {"touched": "yes"}}})
        wait_until(
            lambda: subject.operator.passes() >= passes + _COUNT, _SECONDS, what="a pass over each"
        )
        idle = Requests.of(running.requests(subject.user, mark))
        assert idle.writes == 0, idle.kinds

        restarted = scenario.restarted()
        assert restarted.requests.writes == 0, restarted.requests.kinds
        assert restarted.requests.without_secret_reads <= 50, restarted.requests.kinds

        if _IS_FULL:
            scenario.settle()
            _are_healed_in_time(running, subject)
            print(  # noqa: T201 - the figures of the run
                f"{_COUNT} resources: {converged.requests.without_secret_reads / _COUNT:.1f}"
                f" requests each; a restart {restarted.requests.without_secret_reads}, and"
                f" {restarted.requests.kinds.get('get secrets', 0)} reads of Secrets"
            )
        with healing.load(running, subject, _COUNT):
            healed = healing.healed(running, subject, _COUNT)
        assert healed.edits == _OPTIONS.edits
        assert 0 < healed.p50_seconds <= healed.p99_seconds
    finally:
        subject.stop()


def _are_healed_in_time(running: Stage, subject: Product) -> None:
    healed = healing.healed(running, subject, _COUNT)
    print(f"{healed.edits} edits healed: p50 {healed.p50_seconds} s, p99 {healed.p99_seconds} s")  # noqa: T201 - the figure of the run
    assert healed.p99_seconds < 2


def test_the_reference_goes_through_the_same(running: Stage) -> None:
    subject = Reference(running)
    scenario = Scenario(running, subject, _REFERENCE_COUNT, _silent)
    subject.start()
    try:
        converged = scenario.converged()
        restarted = scenario.restarted()
        running.api.delete_all(subject.resources)
        # Its finalizers hold them until its handlers have run.
        wait_until(lambda: not running.api.objects(subject.resources), _SECONDS, what="none left")
    finally:
        subject.stop()

    assert converged.requests.kinds["create deployments"] == _REFERENCE_COUNT
    # Each child that is there already is asked to be created again, and patched then.
    assert restarted.requests.writes >= 14 * _REFERENCE_COUNT
