"""What runs beside the lanes."""

import threading

import greenlet
import psycopg2
import pytest
import sqlalchemy

from app.db import lanes


def test_a_thread_that_opens_a_connection_keeps_away_from_greenlet(
    migrated_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """greenlet's state of a thread outlived the thread, one for each connection, and crashed."""
    asked = []

    def getcurrent() -> greenlet.greenlet:
        asked.append(threading.current_thread())
        return greenlet.greenlet()

    monkeypatch.setattr(greenlet, "getcurrent", getcurrent)
    url = sqlalchemy.make_url(migrated_url).set(drivername="postgresql")
    dsn = url.render_as_string(hide_password=False)
    opened: list[psycopg2.extensions.connection] = []

    def connect() -> None:
        with lanes.waiting_at_most(10):
            opened.append(psycopg2.connect(dsn))

    thread = threading.Thread(target=connect)
    thread.start()
    thread.join()

    (connection,) = opened
    assert asked == []
    # Elsewhere it is asked: a lane must be found.
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    assert asked
    connection.close()
