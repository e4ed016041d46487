"""The wiring of the operator: settings, clients, threads, kopf among them."""

import argparse
import os
import secrets
import signal
import socket
import sys
import threading
import time
from collections.abc import Sequence

import structlog

from carthub_operator import settings
from carthub_operator.allow_list import AllowList
from carthub_operator.contracts import SecretReference
from carthub_operator.credentials import CredentialSources
from carthub_operator.edges.api_server import Timeouts
from carthub_operator.edges.aws import AwsSecretsManager, default_region
from carthub_operator.edges.clock import SystemClock
from carthub_operator.edges.kubernetes import KubernetesCluster
from carthub_operator.edges.postgresql import PostgresLogins
from carthub_operator.errors import CarthubError, SecretError
from carthub_operator.reconcile import Reconciler
from carthub_operator.runtime.announcer import EventAnnouncer
from carthub_operator.runtime.cache import ObjectCache
from carthub_operator.runtime.health import HealthServer
from carthub_operator.runtime.known_kinds import KnownKinds
from carthub_operator.runtime.leadership import Leadership, LeaseName
from carthub_operator.runtime.login_checks import PATIENCE_SECONDS, LoginChecks
from carthub_operator.runtime.logs import configure_logging
from carthub_operator.runtime.metrics import Metrics
from carthub_operator.runtime.resync import Resync
from carthub_operator.runtime.secret_schedule import AwsSecretSchedule
from carthub_operator.runtime.streams import Streams
from carthub_operator.runtime.watches import Watches
from carthub_operator.runtime.work_queue import WorkQueue
from carthub_operator.runtime.workers import Workers
from carthub_operator.version import __version__

_log = structlog.get_logger()

# Half of them keep to where AWS answers.
_AWS_THREADS = 4
# A stream is heard of or tried again every 70 s at the latest.
_IDLE_STREAM_SECONDS = 180.0
_STUCK_SECONDS = 120.0
# Passes that wait this long: hundreds were applied at once, or the API server is slow.
_BEHIND_SECONDS = 1.0
# All parts together: of the 30 s that Kubernetes gives a pod to stop.
_STOP_SECONDS = 24.0
# Several tries fit into the time that the Lease is surely held.
_LEASE_TIMEOUTS = Timeouts(connect_seconds=1.5, read_seconds=2.5)


class Operator:
    """All parts of one operator process."""

    def __init__(self, chosen: settings.Settings) -> None:
        self._settings = chosen
        self._metrics = Metrics()
        self._clock = SystemClock()
        self._leadership = self._candidate() if chosen.lease_namespace else None
        self._cluster = KubernetesCluster(
            os.environ.get("KUBECONFIG"),
            # The resync may list while all workers write.
            pool_size=chosen.workers + 1,
            on_call=self._metrics.on_api_call,
            check=self._leadership.check if self._leadership else _always,
        )
        self._known_kinds = KnownKinds(
            self._cluster.serves,
            on_change=lambda: self._watches.restart(),  # noqa: PLW0108 - made below, from this
        )
        self._cache = ObjectCache()
        self._queue = WorkQueue(on_taken=self._metrics.queue_wait_seconds.observe)
        self._schedule = AwsSecretSchedule(
            AwsSecretsManager(on_call=self._metrics.on_aws_call, pool_size=_AWS_THREADS),
            on_change=self._queue.add,
            on_failure=_log_failure,
        )
        self._reconciler = self._new_reconciler()
        self._workers = Workers(
            self._queue,
            self._reconciler,
            EventAnnouncer(self._cluster, clock=self._clock, instance=socket.gethostname()),
            metrics=self._metrics,
            count=chosen.workers,
        )
        self._resync = self._new_resync()
        self._streams = Streams(on_listed=self._resync.soon)
        self._watches = self._new_watches()
        self._health = HealthServer(
            host=chosen.http_host,
            port=chosen.http_port,
            registry=self._metrics.registry,
            is_alive=self._what_is_stuck,
            is_ready=self._what_is_missing,
        )
        self._show()

    def _new_reconciler(self) -> Reconciler:
        credentials = CredentialSources(
            self._cluster,
            self._schedule,
            logins=_logins() if self._settings.check_logins else None,
            allowed_secrets=AllowList(self._settings.secret_allow_list),
            allowed_roles=AllowList(self._settings.role_allow_list),
            default_region=default_region(),
            clock=self._clock,
        )
        return Reconciler(
            self._cluster,
            self._cache,
            credentials,
            known_kinds=self._known_kinds,
            clock=self._clock,
            is_behind=lambda: self._queue.oldest_seconds() > _BEHIND_SECONDS,
        )

    def _new_resync(self) -> Resync:
        return Resync(
            self._cluster,
            self._cache,
            self._queue,
            known_kinds=self._known_kinds,
            namespaces=self._settings.namespaces,
            interval_seconds=self._settings.resync_seconds,
            on_first=self._workers.start,
            on_missed=lambda kind: self._metrics.missed.labels(kind.name).inc(),
        )

    def _new_watches(self) -> Watches:
        return Watches(
            self._cache,
            self._queue,
            self._streams,
            known_kinds=self._known_kinds,
            namespaces=self._settings.namespaces,
            serves=self._cluster.serves,
            on_end=self._metrics.watches_ended.inc,
        )

    def _show(self) -> None:
        """Let the metrics read what is so."""
        self._metrics.observe_queue(
            length=lambda: float(len(self._queue)), oldest=self._queue.oldest_seconds
        )
        self._metrics.observe_streams(self._streams.silent_seconds)
        self._metrics.observe_secrets(
            lambda: {
                (one.region, one.secret_id, one.role_arn or ""): seconds
                for one, seconds in self._schedule.unread_seconds().items()
            }
        )
        is_leading = self._leadership.is_held if self._leadership else lambda: True
        self._metrics.observe_leadership(is_leading)
        # A standby sees them too: once is enough.
        self._metrics.observe_conditions(lambda: self._cache.conditions() if is_leading() else ())
        self._metrics.observe_secret_changes(
            lambda: self._cache.secret_changes() if is_leading() else ()
        )

    def _candidate(self) -> Leadership:
        # Connections of its own: no load may keep it from renewing in time.
        store = KubernetesCluster(
            os.environ.get("KUBECONFIG"),
            pool_size=1,
            on_call=self._metrics.on_api_call,
            timeouts=_LEASE_TIMEOUTS,
        )
        return Leadership(
            store,
            LeaseName(self._settings.lease_namespace, self._settings.lease_name),
            identity=f"{socket.gethostname()}_{secrets.token_hex(4)}",
            clock=self._clock,
            on_won=self._take_over,
            on_lost=self._stand_by,
        )

    def _take_over(self) -> None:
        self._reconciler.reset()
        self._queue.resume()

    def _stand_by(self) -> None:
        self._queue.pause()
        self._schedule.forget_all()

    def run(self) -> None:
        """Work until SIGTERM or SIGINT."""
        stopping = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stopping.set())
        self._health.start()
        _log.info(
            "operator-started",
            version=__version__,
            namespaces=list(self._settings.namespaces) or "all",
            http_port=self._health.port,
        )
        if self._leadership is not None:
            self._stand_by()
            self._leadership.start()
        self._schedule.start(threads=_AWS_THREADS)
        self._resync.start(self._streams)
        self._watches.start()
        try:
            stopping.wait()
        finally:
            self._stop()
        _log.info("operator-stopped")

    def _stop(self) -> None:
        # What is under way ends first: then another may begin at once.
        ends_at = time.monotonic() + _STOP_SECONDS

        def left() -> float:
            return max(0.0, ends_at - time.monotonic())

        self._queue.close()
        # Then the Lease can still be given back.
        self._workers.join(left() / 2)
        if self._leadership is not None:
            self._leadership.stop(left())
        self._watches.stop(left())
        self._resync.stop(left())
        self._schedule.close(left())
        self._health.stop()
        self._cluster.close()

    def _what_is_stuck(self) -> str | None:
        election = self._leadership
        troubles = {
            "the watches have ended": not self._watches.is_alive(),
            "a watch is stuck": self._streams.idle_seconds() > _IDLE_STREAM_SECONDS,
            "the election has ended": election is not None and not election.is_alive(),
            "a worker has ended": not self._workers.are_alive(),
            "the resync has ended": not self._resync.is_alive(),
            # Before the first listing nobody takes anything.
            "the work queue is stuck": self._resync.is_done_once()
            and self._queue.stuck_seconds() > _STUCK_SECONDS,
        }
        return next((trouble for trouble, is_so in troubles.items() if is_so), None)

    def _what_is_missing(self) -> str | None:
        if not self._resync.is_done_once():
            return "the cluster has not been listed yet"
        streams = len(self._known_kinds.all()) * max(1, len(self._settings.namespaces))
        if not self._watches.is_ready() or self._streams.count() < streams:
            return "not every kind is watched yet"
        return None


def _logins() -> LoginChecks:
    # Longer than a pass waits: what ends in time has been answered.
    return LoginChecks(PostgresLogins(timeout_seconds=PATIENCE_SECONDS + 1.0).attempt)


def _always() -> None:
    """Let every write pass: this is the only operator."""


def _log_failure(reference: SecretReference, error: SecretError) -> None:
    _log.warning(
        "secret-source-failed",
        secret_id=reference.secret_id,
        region=reference.region,
        role_arn=reference.role_arn,
        reason=error.reason,
        error=str(error),
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the operator; the exit code is 2 where a setting is wrong."""
    parser = argparse.ArgumentParser(
        prog="carthub-operator",
        description="Keep every CartService in the state that it declares, until SIGTERM.",
        epilog="It is set up by environment variables; docs/operator.md lists them.",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    parser.parse_args(arguments)
    try:
        chosen = settings.load()
        configure_logging(chosen.log_level)
        operator = Operator(chosen)
    except CarthubError as error:
        print(f"carthub-operator: {error}", file=sys.stderr)  # noqa: T201 - before there is a log
        sys.exit(2)
    operator.run()
