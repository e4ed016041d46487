"""The benchmark itself, some seconds of it: the sums are asserted, never a speed."""

import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from benchmarks import client, measure, plan, workload
from benchmarks.errors import SumsDiffer
from benchmarks.measure import Load, Run
from benchmarks.rig import PGBENCH, PRODUCT, PRODUCT_2, REFERENCE, Callers, Rig, Variant, rig
from benchmarks.workload import Kind, Size
from carthub_dev.errors import ToolMissing
from carthub_dev.ledger import Ledger
from tests.support.cluster import eventually

_SIZE = Size(carts=200, lines=3)
_FORGETFUL = """
CREATE FUNCTION forget() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER forget BEFORE UPDATE ON cart_items FOR EACH ROW EXECUTE FUNCTION forget();
"""


@pytest.fixture(scope="module")
def running(ledger: Ledger) -> Iterator[Rig]:
    try:
        client.ensure(ledger, print)
    except ToolMissing as error:
        pytest.skip(str(error))
    with rig(ledger) as started:
        started.fill(_SIZE)
        yield started


def _run(running: Rig, variant: Variant, *, seed: int, **given: object) -> Run:
    chosen = {"size": _SIZE, "connections": 8, "seconds": 0.8, "warm_up_seconds": 0.2, **given}
    return measure.run(running, variant, Load(seed=seed, **chosen))  # type: ignore[arg-type] # a test's shorthand


@pytest.mark.parametrize("variant", [PRODUCT, PRODUCT_2, PGBENCH], ids=lambda one: one.label)
def test_the_database_holds_what_clients_were_told(running: Rig, variant: Variant) -> None:
    found = _run(running, variant, seed=1)

    assert found.unexpected == 0
    assert all(check.is_right for check in found.checks)
    assert found.checks[0].acknowledged > 0


def test_adds_that_meet_on_few_lines_are_all_kept(running: Rig) -> None:
    found = _run(running, PRODUCT_2, seed=2, size=plan.CROWD)

    assert found.checks[0].kind is Kind.ADD
    assert found.checks[0].acknowledged == found.checks[0].stored > 0


def test_the_reference_answers_the_same_workload(running: Rig) -> None:
    found = _run(running, REFERENCE, seed=3)

    assert found.unexpected == 0
    assert found.requests > 0


def test_a_fixed_rate_is_kept_and_every_answer_counted(running: Rig) -> None:
    def kept() -> Run | None:
        found = _run(running, PRODUCT, seed=4, rate=50)
        assert found.p99_ms is not None
        return found if found.per_second == pytest.approx(50, rel=0.1) else None

    # Not in any second of a busy machine.
    eventually(kept, what="50 requests a second")


def test_customers_come_with_tokens_of_their_own(running: Rig) -> None:
    found = _run(running, PRODUCT, seed=6, callers=Callers.CUSTOMERS)

    assert found.unexpected == 0
    assert found.checks[0].acknowledged > 0


def test_the_product_is_measured_with_authentication_on(running: Rig) -> None:
    [worker] = running.workers_of(PRODUCT)

    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(f"{worker.base}{workload.CARTS}/1", timeout=5)  # noqa: S310 - http


def test_a_reference_that_is_gone_is_started_again(running: Rig) -> None:
    [worker] = running.workers_of(REFERENCE)
    assert running.revive(REFERENCE) == 0
    worker.process.kill()

    assert running.revive(REFERENCE) == 1
    assert worker.answers()


def test_a_run_whose_writes_vanish_fails(running: Rig) -> None:
    product = running.databases.product
    product.server.execute(_FORGETFUL, database=product.name)
    try:
        with pytest.raises(SumsDiffer, match="product x1: add"):
            _run(running, PRODUCT, seed=5)
    finally:
        product.server.execute("DROP FUNCTION forget CASCADE", database=product.name)
