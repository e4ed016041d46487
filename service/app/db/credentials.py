"""Logins that may change at any moment: every new connection reads them anew.

Every wait is bounded, because a connection hangs for minutes when the network swallows packets.
"""

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2
import structlog
from sqlalchemy.engine import URL

from app.db import failures, lanes
from app.urls import driver_arguments, parse_url

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

# Every function reads anew what it has waited for. With a snapshot from before, as a server or a
# role may have it by default, PostgreSQL refuses the write instead.
_ISOLATION = r"-c default_transaction_isolation=read\ committed"


@dataclass(frozen=True)
class Credentials:
    """Where the URL comes from: a file that is replaced under us, else a fixed value."""

    fixed_url: str
    folder: Path | None

    def url(self) -> URL:
        """Return the URL as it is now, for the driver psycopg2."""
        text = self.fixed_url
        if self.folder is not None:
            with contextlib.suppress(FileNotFoundError):
                text = (self.folder / "DATABASE_URL").read_text("utf-8").strip()
        return parse_url(text)


def open_connection(
    credentials: Credentials, *, connect_timeout_seconds: int, options: str
) -> psycopg2.extensions.connection:
    """Log in with the credentials of now; a refused login is tried once more with newer ones."""
    parameters = {
        "application_name": "carthub",
        "connect_timeout": connect_timeout_seconds,
        # Without these a connection whose packets are dropped hangs for many minutes.
        "tcp_user_timeout": connect_timeout_seconds * 1000 + 2000,
        "keepalives_idle": 5,
        "keepalives_interval": 2,
        "keepalives_count": 3,
        "target_session_attrs": "read-write",
        "options": options,
    }
    try:
        return _log_in(credentials, parameters)
    except psycopg2.OperationalError as error:
        if not failures.is_refused_login(error):
            raise
    log.info("database login refused, reading the credentials again")
    return _log_in(credentials, parameters)


def _log_in(credentials: Credentials, parameters: dict[str, Any]) -> psycopg2.extensions.connection:
    arguments = _arguments(credentials.url(), parameters)
    *others, last = _places(arguments)
    for place in others:
        try:
            return _connected(arguments | place)
        except psycopg2.OperationalError as error:
            if failures.is_refused_login(error):
                raise
    return _connected(arguments | last)


def _connected(arguments: dict[str, Any]) -> psycopg2.extensions.connection:
    with lanes.waiting_at_most(float(arguments["connect_timeout"])):
        opened: psycopg2.extensions.connection = psycopg2.connect(**arguments)
    return opened


def _places(arguments: dict[str, Any]) -> list[dict[str, str]]:
    # One after the other here: libpq would stay with one that says nothing.
    hosts = str(arguments.get("host", "")).split(",")
    if len(hosts) == 1:
        return [{}]
    ports = str(arguments.get("port", "")).split(",")
    return [
        {"host": host, "port": port}
        for host, port in zip(hosts, ports * (len(hosts) if len(ports) == 1 else 1), strict=True)
    ]


def _arguments(url: URL, parameters: dict[str, Any]) -> dict[str, Any]:
    # What the URL says wins over ours, but for the isolation.
    given = driver_arguments(url)
    options = " ".join(filter(None, (parameters["options"], given.pop("options", ""), _ISOLATION)))
    return {**parameters, **given, "options": options}
