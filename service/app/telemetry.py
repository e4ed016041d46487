"""What an operator of the service sees: JSON logs, trace ids and Prometheus metrics."""

import contextvars
import logging
import re
import secrets
import sys
from collections.abc import Callable

import structlog
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
)

# OpenTelemetry's advice for http.server.request.duration.
_DURATION_BUCKETS = (
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10,
)  # fmt: skip
# W3C Trace Context: version 00 and nothing behind it, or a version to come; no id is all zeros.
_TRACEPARENT = re.compile(
    r"(?:00(?=.{53}$)|(?!00|ff)[0-9a-f]{2})"
    r"-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})(?:-.*)?"
)
_NO_TRACE = f"00-{'0' * 32}-{'0' * 16}-00"

# That of the running request, its own id in the place of the parent's.
_traceparent: contextvars.ContextVar[str] = contextvars.ContextVar("traceparent", default=_NO_TRACE)


class Metrics:
    """The metrics of one process. Labels never name a customer, a product or an order."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.request_duration = Histogram(
            "http_server_request_duration_seconds",
            "Duration of HTTP requests",
            ("http_request_method", "http_route", "http_response_status_code"),
            buckets=_DURATION_BUCKETS,
            registry=self.registry,
        )
        self.items_added = Counter(
            "carthub_items_added", "Pieces added to carts", registry=self.registry
        )
        self.checkouts = Counter(
            "carthub_checkouts", "Orders made of carts", registry=self.registry
        )
        self.carts_expired = Counter(
            "carthub_carts_expired",
            "Carts that nobody came back to",
            registry=self.registry,
        )
        self.replays = Counter(
            "carthub_replays", "Requests that an idempotency key answered", registry=self.registry
        )
        self.refusals = Counter(
            "carthub_refusals",
            "Requests that were refused or failed, by the problem's code",
            ("code",),
            registry=self.registry,
        )
        self.connections_closed = Counter(
            "carthub_http_connections_closed",
            "Silent connections that had to make room for new ones",
            registry=self.registry,
        )
        self.connections_stalled = Counter(
            "carthub_http_connections_stalled",
            "Connections ended because their clients took nothing of an answer",
            registry=self.registry,
        )
        self.key_fetches = Counter(
            "carthub_auth_key_fetches",
            "Times that the issuer's keys were asked for",
            ("outcome",),
            registry=self.registry,
        )
        self.pool_wait = Histogram(
            "carthub_db_pool_wait_seconds",
            "How long a request waited for a connection",
            buckets=_DURATION_BUCKETS,
            registry=self.registry,
        )

        self._durations: dict[tuple[str, str, int], Histogram] = {}

    def observe_request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request; the label values must be few."""
        labels = (method, route, status)
        found = self._durations.get(labels)
        if found is None:
            # Looking a child up costs more than counting in it.
            found = self._durations[labels] = self.request_duration.labels(*labels)
        found.observe(seconds)

    def watch_connections(self, count: Callable[[], int]) -> None:
        """Show how many clients are connected."""
        gauge = Gauge("carthub_http_connections", "Open connections", registry=self.registry)
        gauge.set_function(count)

    def watch_pool(
        self,
        *,
        size: Callable[[], int],
        checked_out: Callable[[], int],
        overflow: Callable[[], int],
    ) -> None:
        """Show the state of the connections."""
        for name, text, read in (
            ("size", "Connections that are kept", size),
            ("checked_out", "Connections in use", checked_out),
            ("overflow", "Connections open beyond the size; negative: not opened", overflow),
        ):
            gauge = Gauge(f"carthub_db_pool_{name}", text, registry=self.registry)
            gauge.set_function(read)


def trace_id() -> str:
    """Return the id of the trace that the running request belongs to."""
    return _traceparent.get()[3:35]


def traceparent() -> str:
    """Return what lets others join the trace as children of the running request."""
    return _traceparent.get()


def begin_trace(given: str | None) -> str:
    """Join the caller's trace, or begin one; every log line of this task carries its id."""
    fresh = secrets.token_hex(24)
    trace, flags = fresh[:32], "00"
    found = _TRACEPARENT.fullmatch(given) if given else None
    if found is not None:
        trace, flags = found.groups()
    own = f"00-{trace}-{fresh[32:]}-{flags}"
    _traceparent.set(own)
    return own


def _with_trace(
    _logger: object, _method: str, line: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    if (found := _traceparent.get()) != _NO_TRACE:
        line["trace_id"] = found[3:35]
    return line


def configure_logging(level: str) -> None:
    """Write every log line as one JSON object to standard output, libraries' lines included."""
    shared: list[structlog.typing.Processor] = [
        _with_trace,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                # Without local variables: those are carts and credentials.
                structlog.processors.ExceptionRenderer(
                    structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
                ),
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    # Alembic says every step; the migration says what it did.
    logging.getLogger("alembic").setLevel(max(logging.WARNING, root.level))
