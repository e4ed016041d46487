"""The database URL in the forms that people write it."""

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
        PGDialect_psycopg2().create_connect_args(chosen)
    except (exc.ArgumentError, ValueError):
        raise InvalidSettings(
            "DATABASE_URL names hosts and ports that do not go together"
        ) from None
    return chosen
