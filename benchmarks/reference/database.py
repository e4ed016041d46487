"""The engine and the session of a request."""

import os
from collections.abc import Iterator

from sqlalchemy import create_engine
from sqlalchemy.orm import DeclarativeBase, Session, sessionmaker

engine = create_engine(os.environ["DATABASE_URL"])
SessionLocal = sessionmaker(bind=engine)


class Base(DeclarativeBase):
    """The base of the models."""


def get_db() -> Iterator[Session]:
    """Lend a session to one request."""
    db = SessionLocal()
    try:
        yield db
    finally:
        db.close()
