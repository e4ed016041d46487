"""What /metrics shows; the names are part of the operator's interface."""

import contextlib
import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from carthub_operator.api.resource import Key

# A condition as the status has it.
Told = Mapping[str, Any]
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """The operator's metrics, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.pass_seconds = Histogram(
            "carthub_reconcile_seconds",
            "Seconds of one pass over a CartService.",
            ["outcome"],
            registry=self.registry,
            buckets=_SECONDS,
        )
        self.changes = Counter(
            "carthub_child_changes_total",
            "Children created, changed and removed.",
            ["action", "kind"],
            registry=self.registry,
        )
        self.missed = Counter(
            "carthub_watch_missed_total",
            "Objects whose change a resync found and no watch had told.",
            ["kind"],
            registry=self.registry,
        )
        self.watches_ended = Counter(
            "carthub_watches_ended_total",
            "How often the watches had to begin anew, all of them.",
            registry=self.registry,
        )
        self._api = Histogram(
            "carthub_kubernetes_request_seconds",
            "Seconds of requests to the API server, watches not.",
            ["method", "kind", "code"],
            registry=self.registry,
            buckets=_SECONDS,
        )
        self._aws = Histogram(
            "carthub_aws_request_seconds",
            "Seconds of requests to AWS; the code is empty where they succeeded.",
            ["operation", "code"],
            registry=self.registry,
            buckets=_SECONDS,
        )

        self.queue_wait_seconds = Histogram(
            "carthub_queue_wait_seconds",
            "Seconds that a CartService waited for a pass since it was due.",
            registry=self.registry,
            buckets=_SECONDS,
        )

    def observe_queue(self, *, length: Callable[[], float], oldest: Callable[[], float]) -> None:
        """Show the work queue's length, and how long its oldest key waits."""
        Gauge(
            "carthub_queue_length", "CartServices waiting for a pass.", registry=self.registry
        ).set_function(length)
        Gauge(
            "carthub_queue_oldest_seconds",
            "How long the CartService that is due the longest has waited.",
            registry=self.registry,
        ).set_function(oldest)

    def observe_leadership(self, is_held: Callable[[], bool]) -> None:
        """Show whether this process is the one that writes."""
        Gauge(
            "carthub_leader",
            "1 while this operator is the one that writes.",
            registry=self.registry,
        ).set_function(lambda: float(is_held()))

    def observe_streams(self, silent: Callable[[], Mapping[str, float]]) -> None:
        """Show for how long nothing has come through each watch; a bookmark comes every 60 s."""
        self._observe(
            "carthub_watch_silent_seconds",
            "How long nothing has come through a watch.",
            ("path",),
            lambda: {(path,): seconds for path, seconds in silent().items()},
        )

    def observe_secrets(self, unread: Callable[[], Mapping[tuple[str, str, str], float]]) -> None:
        """Show how long ago AWS last said what is current, by region, id and role of a secret."""
        self._observe(
            "carthub_secret_unread_seconds",
            "How long ago AWS last said which version of a secret is current.",
            ("region", "secret_id", "role_arn"),
            lambda: {(*secret,): seconds for secret, seconds in unread().items()},
        )

    def observe_conditions(self, told: Callable[[], Iterable[tuple[Key, Told]]]) -> None:
        """Show every condition of every CartService: 1 for what it is now, and nothing else."""
        self._observe(
            "carthub_cartservice_condition",
            "1 for the status and the reason that a condition has now.",
            ("namespace", "name", "type", "status", "reason"),
            lambda: {
                (key.namespace, key.name, one["type"], one["status"], one["reason"]): 1.0
                for key, one in told()
            },
        )

    def observe_secret_changes(self, changed: Callable[[], Iterable[tuple[Key, str]]]) -> None:
        """Show when the credentials that each CartService uses last changed, from RFC 3339."""
        self._observe(
            "carthub_cartservice_secret_changed_timestamp_seconds",
            "When the database credentials in use last changed, in seconds since 1970.",
            ("namespace", "name"),
            lambda: _timestamps(changed()),
        )

    def _observe(
        self,
        name: str,
        documentation: str,
        labels: Sequence[str],
        read: Callable[[], Mapping[tuple[str, ...], float]],
    ) -> None:
        self.registry.register(_Labelled(name, documentation, labels, read))

    def on_api_call(self, method: str, kind: str, code: int, seconds: float) -> None:
        """Count a request to the API server; code 0 is no answer."""
        self._api.labels(method, kind, str(code)).observe(seconds)

    def on_aws_call(self, operation: str, code: str, seconds: float) -> None:
        """Count a request to AWS."""
        self._aws.labels(operation, code).observe(seconds)


def _timestamps(changed: Iterable[tuple[Key, str]]) -> dict[tuple[str, ...], float]:
    found: dict[tuple[str, ...], float] = {}
    for key, changed_at in changed:
        # Whoever may write a status can write what the API server takes and Python does not: the
        # others are shown all the same.
        with contextlib.suppress(ValueError):
            found[key.namespace, key.name] = dt.datetime.fromisoformat(changed_at).timestamp()
    return found


class _Labelled(Collector):
    """A gauge whose label values come and go."""

    def __init__(
        self,
        name: str,
        documentation: str,
        labels: Sequence[str],
        read: Callable[[], Mapping[tuple[str, ...], float]],
    ) -> None:
        self._name = name
        self._documentation = documentation
        self._labels = labels
        self._read = read

    def collect(self) -> Iterator[Metric]:
        """Yield what is so now."""
        family = GaugeMetricFamily(self._name, self._documentation, labels=self._labels)
        for values, value in self._read().items():
            family.add_metric(values, value)
        yield family
