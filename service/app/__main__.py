"""The command `carthub-service`: serve the API, or bring the database to this version."""

import argparse
import contextlib
import functools
import gc
import resource
import signal
import socket
import sys
import time
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn

import prometheus_client
import structlog
import uvicorn

from app import settings, telemetry
from app.errors import CarthubError
from app.main import create_app
from app.server.connections import Connections
from app.server.large_bodies import HeldBytes
from app.server.protocol import Guard, GuardedProtocol

# Beside the clients' connections: PostgreSQL's, those about to be refused, libraries.
_OTHER_FILES = 256

log: structlog.stdlib.BoundLogger = structlog.get_logger("app")


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit: 0 done, 1 failed, 2 asked or configured wrongly."""
    parser = argparse.ArgumentParser(prog="carthub-service", description=__doc__)
    commands = parser.add_subparsers(dest="command", metavar="{serve,migrate}")
    commands.add_parser("serve", help="answer requests until SIGTERM (the default)")
    commands.add_parser("migrate", help="bring the database to this version")
    chosen = parser.parse_args(arguments)
    try:
        read = settings.load()
    except CarthubError as error:
        print(error, file=sys.stderr)  # noqa: T201 - nothing is set up yet, logging neither
        sys.exit(2)
    telemetry.configure_logging(read.log_level)
    sys.exit(_migrate(read) if chosen.command == "migrate" else _serve(read))


def _migrate(read: settings.Settings) -> int:
    # Not above: no worker needs Alembic.
    from app.migrations import command  # noqa: PLC0415 - see there

    try:
        command.migrate(read)
    except CarthubError as error:
        log.error("migration failed", reason=str(error))  # noqa: TRY400 - a sentence, no trace
        return _failed(read, str(error))
    except Exception as error:
        log.exception("migration failed")
        return _failed(read, f"{type(error).__name__}: the log of the migration has the details")
    return 0


def _failed(read: settings.Settings, reason: str) -> int:
    # What the Job's pod shows to those who may not read its log.
    with contextlib.suppress(OSError):
        read.termination_log.write_text(reason, "utf-8")
    return 1


def _serve(read: settings.Settings) -> int:
    # uvicorn raises a signal again once it has stopped for it; a stop asked for is a success.
    signal.signal(signal.SIGTERM, lambda _number, _frame: None)
    _allow_open_files(read.http_max_connections + _OTHER_FILES)
    server = _DrainingServer(read)
    with contextlib.suppress(KeyboardInterrupt):
        server.run()
    return 0 if server.started else 1


def _allow_open_files(count: int) -> None:
    # A shell's usual 1024 are fewer than the connections there may be.
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < count:
        most = count if hard == resource.RLIM_INFINITY else min(count, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


class _DrainingServer(uvicorn.Server):
    """Says it is not ready before it stops to listen: routes to this pod vanish meanwhile."""

    def __init__(self, read: settings.Settings) -> None:
        self._application = create_app(read)
        self._settings = read
        self._guard = Guard(
            read,
            Connections(read.http_max_connections),
            HeldBytes(read.http_max_held_body_bytes),
            self._metrics,
        )
        self._is_asked_to_stop = False
        self._stops_at: float | None = None
        super().__init__(
            uvicorn.Config(
                self._application,
                host=read.host,
                port=read.port,
                loop="uvloop",
                http=functools.partial(GuardedProtocol, self._guard),  # type: ignore[arg-type] # called, never looked into
                ws="none",
                lifespan="on",
                access_log=False,
                log_config=None,
                log_level="warning",
                server_header=False,
                timeout_keep_alive=read.http_keep_alive_seconds,
                timeout_graceful_shutdown=read.shutdown_timeout_seconds,
            )
        )

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen on both ports, and say so."""
        await super().startup(sockets)
        metrics = self._metrics()
        metrics.watch_connections(lambda: len(self.server_state.connections))
        metrics_server, _ = prometheus_client.start_http_server(
            self._settings.metrics_port,
            self._settings.host,
            metrics.registry,
        )
        # All that was imported lives on. A full collection that walks it takes 0.1 s and more,
        # and every request waits for it.
        gc.collect()
        gc.freeze()
        port = self.servers[0].sockets[0].getsockname()[1]
        log.info("listening", port=port, metrics_port=metrics_server.server_port)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Drain first on the first SIGTERM; stop at once on Ctrl-C or a second signal."""
        is_first = sig == signal.SIGTERM and not self._is_asked_to_stop
        if is_first and self.started and self._settings.drain_seconds:
            # Nothing more inside a signal handler: the line being logged may hold a lock.
            self._is_asked_to_stop = True
        else:
            super().handle_exit(sig, frame)

    async def on_tick(self, counter: int) -> bool:
        """Begin and end the draining; uvicorn asks ten times a second."""
        if self._is_asked_to_stop and self._stops_at is None:
            self._stops_at = time.monotonic() + self._settings.drain_seconds
            self._application.state.service.readiness.drain()
            log.info("draining", seconds=self._settings.drain_seconds)
        if self._stops_at is not None and time.monotonic() >= self._stops_at:
            self.should_exit = True
        self._guard.connections.check(self.server_state.connections)  # type: ignore[arg-type] # all are guarded
        return await super().on_tick(counter)

    def _metrics(self) -> telemetry.Metrics:
        metrics: telemetry.Metrics = self._application.state.service.metrics
        return metrics


if __name__ == "__main__":
    main()
