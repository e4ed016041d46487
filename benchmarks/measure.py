"""One run of one variant: load, what it cost, and whether the database agrees with the clients."""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks import client, pgbench, sums, workload
from benchmarks.load import Answers, percentile
from benchmarks.rig import PGBENCH, REFERENCE, Callers, Rig, Variant
from benchmarks.sums import Check
from benchmarks.workload import Kind, Size

# The clients start again from the first when a fast service has answered all of them.
_REQUESTS_PER_SECOND = 2000
_MICROSECONDS = 1_000_000
_CREATED = 201


@dataclass(frozen=True)
class Load:
    """How a run is driven; without a rate, as fast as the connections allow."""

    size: Size
    seed: int
    connections: int
    seconds: float
    warm_up_seconds: float
    rate: int | None = None
    callers: Callers = Callers.SHOP


@dataclass(frozen=True)
class Run:
    """What one run showed; processor times are microseconds a request."""

    variant: str
    per_second: float
    requests: int
    unexpected: int
    p50_ms: float | None = None
    p99_ms: float | None = None
    worker_cpu_us: float | None = None
    worker_mib: float | None = None
    database_cpu_us: float = 0
    checks: tuple[Check, ...] = ()
    # Workers that had to be started again before it.
    restarts: int = 0


def run(rig: Rig, variant: Variant, given: Load) -> Run:
    """Run a variant once. Raises SumsDiffer when anything but the reference lost a write."""
    restarts = rig.revive(variant)
    rig.databases.settle()
    measured = _statements if variant == PGBENCH else _service
    found = dataclasses.replace(measured(rig, variant, given), restarts=restarts)
    if variant.name != REFERENCE.name:
        sums.require(found.checks, variant.label)
    return found


def _service(rig: Rig, variant: Variant, given: Load) -> Run:
    workers = rig.workers_of(variant)
    requests = workload.requests(
        workload.calls(given.size, given.seed),
        _request_count(given),
        ports=[worker.port for worker in workers],
        headers=rig.headers_of(variant, given.callers),
    )
    meter = _Meter(rig, variant)
    answers = Answers(
        client.attack(
            requests,
            rig.folder,
            connections=given.connections,
            seconds=given.warm_up_seconds + given.seconds,
            rate=given.rate,
        )
    )
    worker_cpu_us, database_cpu_us = meter.cpu_us(len(answers.all))
    latencies = answers.latencies_ms(given.warm_up_seconds, given.seconds)
    return Run(
        variant=variant.label,
        per_second=answers.throughput(given.warm_up_seconds, given.seconds),
        requests=len(answers.all),
        unexpected=answers.unexpected(),
        p50_ms=percentile(latencies, 50),
        p99_ms=percentile(latencies, 99),
        worker_cpu_us=worker_cpu_us,
        worker_mib=max(worker.rss_mebibytes() for worker in workers),
        database_cpu_us=database_cpu_us,
        checks=meter.checks(answers.counts()),
    )


def _statements(rig: Rig, variant: Variant, given: Load) -> Run:
    meter = _Meter(rig, variant)
    done = pgbench.run(
        rig.databases.product.url,
        given.size,
        rig.folder,
        clients=given.connections,
        seconds=given.warm_up_seconds + given.seconds,
    )
    requests = sum(done.counts.values())
    _, database_cpu_us = meter.cpu_us(requests)
    # Which of its checkouts found an empty cart, pgbench does not tell.
    adds, _ = meter.checks({(Kind.ADD, _CREATED): done.counts[Kind.ADD]})
    return Run(
        variant=variant.label,
        per_second=done.per_second,
        requests=requests,
        unexpected=0,
        database_cpu_us=database_cpu_us,
        checks=(adds,),
    )


class _Meter:
    """The processor time and the sums from its making on."""

    def __init__(self, rig: Rig, variant: Variant) -> None:
        self._databases = rig.databases
        self._database = rig.database_of(variant)
        self._workers = rig.workers_of(variant)
        self._sums = self._database.sums()
        # After the sums, which take time of the database too.
        self._began = self._cpu_seconds()

    def cpu_us(self, requests: int) -> tuple[float, float]:
        """Return the time of the workers and of the database, for each of the requests."""
        now = self._cpu_seconds()
        workers, database = (
            (new - old) * _MICROSECONDS / requests
            for new, old in zip(now, self._began, strict=True)
        )
        return workers, database

    def checks(self, counts: Mapping[tuple[Kind, int], int]) -> tuple[Check, Check]:
        """Compare the answers with what the database gained."""
        return sums.checks(counts, self._sums, self._database.sums())

    def _cpu_seconds(self) -> tuple[float, float]:
        return sum(worker.cpu_seconds() for worker in self._workers), self._databases.cpu_seconds()


def _request_count(given: Load) -> int:
    seconds = given.warm_up_seconds + given.seconds
    return math.ceil(seconds * (given.rate or _REQUESTS_PER_SECOND))
