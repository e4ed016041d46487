"""The database URL in the forms that people write it."""

from typing import Any

from sqlalchemy import exc
from sqlalchemy.dialects.postgresql.psycopg2 import PGDialect_psycopg2
from sqlalchemy.engine import URL, make_url

from app.errors import InvalidSettings


def parse_url(text: str) -> URL:
    """Return the URL for psycopg2; SQLAlchemy would take `postgresql://` for psycopg 3."""
    try:
        url = make_url(text)
    except (exc.ArgumentError, ValueError):
        # The text may hold a password: no cause, no value.
        raise InvalidSettings("DATABASE_URL is not a URL") from None
    if url.drivername not in {"postgresql", "postgres", "postgresql+psycopg2"}:
        raise InvalidSettings(
            f"DATABASE_URL starts with {url.drivername}://, must be postgresql://"
        )
    chosen = url.set(drivername="postgresql+psycopg2")
    try:
        driver_arguments(chosen)
    except (exc.ArgumentError, ValueError):
        raise InvalidSettings(
            "DATABASE_URL names hosts and ports that do not go together"
        ) from None
    return chosen


def driver_arguments(url: URL) -> dict[str, Any]:
    """Return what psycopg2 is given for a URL; of what is said twice the last."""
    _, told = PGDialect_psycopg2().create_connect_args(url)  # type: ignore[no-untyped-call] # SQLAlchemy's
    return {name: found[-1] if isinstance(found, tuple) else found for name, found in told.items()}
