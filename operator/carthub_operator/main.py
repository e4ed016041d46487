"""The wiring of the operator: settings, clients, threads, and kopf among them."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Coroutine

import kopf
import structlog

from carthub_operator import kinds, settings
from carthub_operator.allow_list import AllowList
from carthub_operator.contracts import SecretReference
from carthub_operator.credentials import CredentialSources
from carthub_operator.edges.aws import AwsSecretsManager
from carthub_operator.edges.clock import SystemClock
from carthub_operator.edges.kubernetes import KubernetesCluster
from carthub_operator.errors import CarthubError, SecretError
from carthub_operator.reconcile import Reconciler
from carthub_operator.runtime import handlers
from carthub_operator.runtime.announcer import EventAnnouncer
from carthub_operator.runtime.cache import ObjectCache
from carthub_operator.runtime.health import HealthServer, Heartbeat
from carthub_operator.runtime.logs import configure_logging
from carthub_operator.runtime.metrics import Metrics
from carthub_operator.runtime.resync import Resync
from carthub_operator.runtime.secret_schedule import AwsSecretSchedule
from carthub_operator.runtime.work_queue import WorkQueue
from carthub_operator.runtime.workers import Workers
from carthub_operator.version import __version__

_log = structlog.get_logger()

_AWS_THREADS = 2
_LOOP_LATE_SECONDS = 30.0
_BEAT_SECONDS = 1.0
_STUCK_SECONDS = 120.0
# A bookmark comes every 60 s; twice that time without any event is a dead watch.
_SILENT_WATCH_SECONDS = 70.0
_REQUEST_SECONDS = 60.0
_CRD_POLL_SECONDS = 1.0
# Within the 30 s that Kubernetes gives a pod to stop.
_STOP_SECONDS = 8.0


class Operator:
    """All parts of one operator process."""

    def __init__(self, chosen: settings.Settings) -> None:
        self._settings = chosen
        metrics = Metrics()
        clock = SystemClock()
        self._cluster = KubernetesCluster(
            os.environ.get("KUBECONFIG"),
            # The resync may list while all workers write.
            pool_size=chosen.workers + 1,
            on_call=metrics.on_api_call,
        )
        self._cache = ObjectCache()
        self._queue = WorkQueue()
        metrics.observe_queue(
            length=lambda: float(len(self._queue)), oldest=self._queue.oldest_seconds
        )
        self._schedule = AwsSecretSchedule(
            AwsSecretsManager(on_call=metrics.on_aws_call, pool_size=_AWS_THREADS),
            on_change=self._queue.add,
            on_failure=_log_failure,
        )
        credentials = CredentialSources(
            self._cluster,
            self._schedule,
            allow_list=AllowList(chosen.secret_allow_list),
            clock=clock,
        )
        self._workers = Workers(
            self._queue,
            Reconciler(self._cluster, self._cache, credentials, clock=clock),
            EventAnnouncer(self._cluster, clock=clock, instance=socket.gethostname()),
            metrics=metrics,
            count=chosen.workers,
        )
        self._resync = Resync(
            self._cluster,
            self._cache,
            self._queue,
            namespaces=chosen.namespaces,
            interval_seconds=chosen.resync_seconds,
            on_first=self._workers.start,
            on_missed=lambda kind: metrics.missed.labels(kind.name).inc(),
        )
        self._heartbeat = Heartbeat(late_after_seconds=_LOOP_LATE_SECONDS)
        self._watching = asyncio.Event()
        self._health = HealthServer(
            host=chosen.http_host,
            port=chosen.http_port,
            registry=metrics.registry,
            is_alive=self._what_is_stuck,
            is_ready=self._what_is_missing,
        )

    async def run(self) -> None:
        """Work until SIGTERM or SIGINT."""
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopping.set)
        self._health.start()
        beating = asyncio.create_task(self._beat())
        _log.info(
            "operator-started",
            version=__version__,
            namespaces=list(self._settings.namespaces) or "all",
            http_port=self._health.port,
        )
        try:
            await self._wait_for_definition(stopping)
            if not stopping.is_set():
                await self._work(stopping)
        finally:
            beating.cancel()
            await asyncio.to_thread(self._stop)
        _log.info("operator-stopped")

    async def _work(self, stopping: asyncio.Event) -> None:
        self._schedule.start(threads=_AWS_THREADS)
        self._resync.start()
        namespaces = self._settings.namespaces
        # No stop flag: kopf waits five seconds for the task that waits for it.
        watching = kopf.operator(
            registry=handlers.handlers(self._cache, self._queue),
            settings=handlers.kopf_settings(
                inactivity_seconds=_SILENT_WATCH_SECONDS, request_seconds=_REQUEST_SECONDS
            ),
            standalone=True,
            clusterwide=not namespaces,
            namespaces=namespaces,
            ready_flag=self._watching,
        )
        await _unless(stopping, watching)

    async def _wait_for_definition(self, stopping: asyncio.Event) -> None:
        """Wait until CartServices are served: kopf looks for its kinds only once."""
        is_told = False
        while not stopping.is_set():
            try:
                if await asyncio.to_thread(self._cluster.serves, kinds.CART_SERVICE):
                    return
                why = "the CustomResourceDefinition of CartService is not installed"
            except CarthubError as error:
                why = str(error)
            if not is_told:
                _log.warning("waiting", why=why)
                is_told = True
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), _CRD_POLL_SECONDS)

    async def _beat(self) -> None:
        while True:
            self._heartbeat.beat()
            await asyncio.sleep(_BEAT_SECONDS)

    def _stop(self) -> None:
        self._queue.close()
        self._resync.stop(_STOP_SECONDS)
        self._schedule.close(_STOP_SECONDS)
        self._workers.join(_STOP_SECONDS)
        self._health.stop()
        self._cluster.close()

    def _what_is_stuck(self) -> str | None:
        if self._heartbeat.is_late():
            return "the event loop is stuck"
        if not self._workers.are_alive():
            return "a worker has ended"
        if not self._resync.is_alive():
            return "the resync has ended"
        if self._queue.oldest_seconds() > _STUCK_SECONDS:
            return "the work queue is stuck"
        return None

    def _what_is_missing(self) -> str | None:
        if not self._watching.is_set() or not self._resync.is_done_once():
            return "the cluster has not been listed yet"
        return None


async def _unless(stopping: asyncio.Event, working: Coroutine[None, None, None]) -> None:
    """Run until it ends, or until we are told to stop; kopf takes over the signals meanwhile."""
    stop = asyncio.create_task(stopping.wait())
    work = asyncio.create_task(working)
    await asyncio.wait({stop, work}, return_when=asyncio.FIRST_COMPLETED)
    stop.cancel()
    if not work.done():
        work.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await work


def _log_failure(reference: SecretReference, error: SecretError) -> None:
    _log.warning(
        "secret-source-failed",
        secret_id=reference.secret_id,
        region=reference.region,
        reason=error.reason,
        error=str(error),
    )


def main() -> None:
    """Run the operator; the exit code is 2 where a setting is wrong."""
    try:
        chosen = settings.load()
        configure_logging(chosen.log_level)
        operator = Operator(chosen)
    except CarthubError as error:
        print(f"carthub-operator: {error}", file=sys.stderr)  # noqa: T201 - before there is a log
        sys.exit(2)
    asyncio.run(operator.run())
