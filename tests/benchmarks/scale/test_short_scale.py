"""The operator's benchmark with a dozen resources: counts are asserted, never a speed."""

from collections.abc import Iterator

import pytest

from benchmarks.scale import healing, subjects
from benchmarks.scale.options import SHORT
from benchmarks.scale.results import Requests
from benchmarks.scale.scenario import Scenario
from benchmarks.scale.stage import Stage, stage
from benchmarks.scale.subjects import Product, Reference
from carthub_dev.ledger import Ledger
from carthub_dev.processes import wait_until

_COUNT = 12
_REFERENCE_COUNT = 3
_SECONDS = 60.0


@pytest.fixture(scope="module")
def running(ledger: Ledger, played_nodes_tools: None) -> Iterator[Stage]:  # noqa: ARG001 - built by it
    with stage(ledger, SHORT) as opened:
        yield opened


def _silent(_: str) -> None:
    """Say nothing."""


def test_a_dozen_resources_cost_what_the_documentation_says(running: Stage) -> None:
    subject = Product(running)
    scenario = Scenario(running, subject, _COUNT, _silent)
    subject.start()
    try:
        converged = scenario.converged()
        assert subject.converged() == _COUNT
        assert converged.requests.writes / _COUNT >= 7
        # What belongs to the start and not to a resource is asked before the first one is made.
        # A rollout that takes long is told of once in ten seconds.
        most = 14 + converged.seconds // 10
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

        with healing.load(running, subject, _COUNT):
            healed = healing.healed(running, subject, _COUNT)
        assert healed.edits == SHORT.edits
        assert 0 < healed.p50_seconds <= healed.p99_seconds
    finally:
        subject.stop()


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
