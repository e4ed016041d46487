"""One operator with so many resources: converge, idle, heal, heal under load, restart."""

import time
from collections.abc import Callable

import psutil

from benchmarks.scale import healing, subjects
from benchmarks.scale.results import Converged, Figures, Idle, Requests, Restarted
from benchmarks.scale.stage import Stage
from benchmarks.scale.subjects import Subject
from carthub_dev.processes import Process, wait_until

_MOST_LIST_SECONDS = 2.0


class Scenario:
    """What is done with a subject on a stage, in this order."""

    def __init__(
        self, stage: Stage, subject: Subject, count: int, say: Callable[[str], None] = print
    ) -> None:
        self._stage = stage
        self._subject = subject
        self._count = count
        self._say = say

    def figures(self) -> Figures:
        """Go through all of it, and stop the subject at the end."""
        self._subject.start()
        try:
            converged = self.converged()
            idle = self.idle()
            healed_idle = healing.healed(self._stage, self._subject, self._count)
            self._told("healed while idle", healed_idle.p99_seconds)
            with healing.load(self._stage, self._subject, self._count):
                healed_under_load = healing.healed(self._stage, self._subject, self._count)
            self._told("healed under load", healed_under_load.p99_seconds)
            self.settle()
            peak = subjects.peak_mebibytes(self._subject.process)
            restarted = self.restarted()
            # Another process by now.
            peak = max(peak, subjects.peak_mebibytes(self._subject.process))
        finally:
            self._subject.stop()
        return Figures(
            subject=self._subject.name,
            resources=self._count,
            converged=converged,
            idle=idle,
            healed_idle=healed_idle,
            healed_under_load=healed_under_load,
            restarted=restarted,
            peak_mebibytes=round(peak, 1),
        )

    def converged(self) -> Converged:
        """Create all resources and wait until each is what its spec says."""
        stage, subject = self._stage, self._subject
        manifests = [subject.resource(number) for number in range(self._count)]
        mark, meter = stage.plane.audit_mark(), _Meter(stage, subject.process)
        stage.api.create_all(subject.resources, manifests, stage.options.creators)
        created_seconds = meter.seconds()
        self._wait_converged()
        seconds = meter.seconds()
        operator_cpu_seconds, api_server_cpu_seconds = meter.cpu_seconds()
        self._told("converged", seconds)
        self.settle()
        return Converged(
            created_seconds=round(created_seconds, 2),
            seconds=round(seconds, 2),
            requests=Requests.of(stage.requests(subject.user, mark)),
            operator_cpu_seconds=round(operator_cpu_seconds, 2),
            api_server_cpu_seconds=round(api_server_cpu_seconds, 2),
        )

    def settle(self) -> None:
        """Wait until all is told, and the subject has written nothing for a while.

        The reference never stops writing: what its timers do meanwhile ends the wait too.
        """
        self._wait_converged()
        self._wait(self._subject.has_told_all, "the last word")
        deadline = time.monotonic() + 5 * self._stage.options.quiet_seconds
        is_quiet = False
        while not is_quiet and time.monotonic() < deadline:
            mark = self._stage.plane.audit_mark()
            time.sleep(self._stage.options.quiet_seconds)
            asked = self._stage.requests(self._subject.user, mark)
            is_quiet = not any(one.is_write for one in asked)

    def idle(self) -> Idle:
        """Do nothing, for longer than it takes to pass over everything once."""
        stage, subject = self._stage, self._subject
        mark, meter = stage.plane.audit_mark(), _Meter(stage, subject.process)
        time.sleep(stage.options.idle_seconds)
        seconds = meter.seconds()
        operator_cpu_seconds, api_server_cpu_seconds = meter.cpu_seconds()
        found = Idle(
            seconds=round(seconds, 1),
            requests=Requests.of(stage.requests(subject.user, mark)),
            operator_cpu_percent=round(100 * operator_cpu_seconds / seconds, 2),
            api_server_cpu_percent=round(100 * api_server_cpu_seconds / seconds, 2),
            mebibytes=round(subjects.mebibytes(subject.process), 1),
        )
        self._told("idle", seconds)
        return found

    def restarted(self) -> Restarted:
        """Stop it, start it, and wait until it has looked at everything."""
        stage, subject = self._stage, self._subject
        subject.stop()
        mark, began = stage.plane.audit_mark(), time.monotonic()
        subject.start()

        def has_looked() -> bool:
            return subject.has_looked(stage.requests(subject.user, mark), self._count)

        self._wait(has_looked, "a look at everything")
        found = Restarted(
            seconds=round(time.monotonic() - began, 2),
            requests=Requests.of(stage.requests(subject.user, mark)),
        )
        self._told("restarted", found.seconds)
        return found

    def _wait_converged(self) -> None:
        self._wait(lambda: self._subject.converged() == self._count, f"{self._count} resources")

    def _wait(self, is_true: Callable[[], bool], what: str) -> None:
        seconds = 120 + self._count * self._stage.options.wait_seconds_each
        # Looking at thousands of objects has its price: not more than a few times a second.
        interval = min(_MOST_LIST_SECONDS, 0.1 + self._count / 1000)
        what = f"{self._subject.name}: {what}"
        wait_until(is_true, seconds, what=what, interval_seconds=interval)

    def _told(self, what: str, seconds: float) -> None:
        self._say(f"{self._count:>5} x {self._subject.name:<22}{what:<20}{seconds:8.2f} s")


class _Meter:
    """Time and processor time from its making on."""

    def __init__(self, stage: Stage, process: Process) -> None:
        self._stage, self._process = stage, process
        self._before = self._now()
        self._began = time.monotonic()

    def seconds(self) -> float:
        """Return the time that has passed."""
        return time.monotonic() - self._began

    def cpu_seconds(self) -> tuple[float, float]:
        """Return the processor time of the operator and of the API server."""
        operator, api_server = self._now()
        return operator - self._before[0], api_server - self._before[1]

    def _now(self) -> tuple[float, float]:
        used = psutil.Process(self._process.pid).cpu_times()
        return used.user + used.system, self._stage.api.cpu_seconds()
