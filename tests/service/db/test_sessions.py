import math
import os
import select
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait

import pytest
from sqlalchemy.engine import make_url

from app.db.connections import Database
from app.db.statements import Statement
from app.errors import AnswerLost, ConnectionLost, DatabaseFailed, DatabaseUnavailable
from tests.support import carts
from tests.support.proxy import Proxy


@pytest.fixture
def database(own_url: str) -> Iterator[Database]:
    opened = Database(carts.settings_for(own_url))
    with opened.connection() as connection:
        connection.exec_driver_sql("CREATE TABLE notes (note text CHECK (note <> ''))")
    yield opened
    opened.close()


def _notes(url: str) -> list[str]:
    return [note for (note,) in carts.run_sql(url, "SELECT note FROM notes")]


def _note(database: Database, *notes: str) -> None:
    with database.transaction() as connection:
        for note in notes:
            connection.exec_driver_sql("INSERT INTO notes VALUES (%s)", (note,))


_END = "SELECT pg_terminate_backend(pg_backend_pid())"
_END_PLANNED = Statement(
    "test_end", ("integer",), "SELECT pg_terminate_backend(pg_backend_pid() + $1)"
)
_NOTE = Statement("test_note", ("text",), "INSERT INTO notes VALUES ($1) RETURNING note")


def test_a_look_whether_it_lives_is_cut_off_too(own_url: str) -> None:
    # As after a rest: something came that nobody asked for, and so the connection is tried first.
    url = make_url(own_url)
    with Proxy(str(url.host), int(url.port or 0)) as proxy, ThreadPoolExecutor(1) as user:
        given = url.set(host="127.0.0.1", port=proxy.port).render_as_string(hide_password=False)
        database = Database(
            carts.settings_for(
                given,
                request_deadline_seconds=3,
                db_connect_timeout_seconds=3,
                db_statement_timeout_seconds=3,
            )
        )

        def use(statement: str) -> int:
            with database.connection() as connection:
                connection.exec_driver_sql(statement)
                raw = connection.connection.driver_connection
                return os.dup(raw.fileno())  # type: ignore[union-attr] # psycopg2's

        descriptor = user.submit(use, "LISTEN news").result()
        carts.run_sql(own_url, "NOTIFY news")
        assert select.select([descriptor], [], [], 10)[0]
        os.close(descriptor)
        proxy.swallow()
        looked = user.submit(use, "SELECT 1")
        while not looked.done():
            database.cut_overdue()
            wait([looked], timeout=0.05)
        with pytest.raises(DatabaseUnavailable):
            looked.result()
        database.close()


def _ended(database: Database) -> None:
    """End the session of this thread, as an administrator would."""
    with database.connection() as connection:
        connection.exec_driver_sql(_END)


def _ended_by_a_plan(database: Database) -> None:
    """End it by a statement that SQLAlchemy does not see."""
    with database.connection() as connection:
        _END_PLANNED.run(connection, 0)


def _ended_by_a_plan_in_transaction(database: Database) -> None:
    with database.transaction() as connection:
        connection.exec_driver_sql("INSERT INTO notes VALUES ('lost')")
        _END_PLANNED.run(connection, 0)


def _ended_in_transaction(database: Database) -> None:
    with database.transaction() as connection:
        connection.exec_driver_sql("INSERT INTO notes VALUES ('lost')")
        connection.exec_driver_sql(_END)


def _cut(database: Database) -> None:
    """Break the connection under a statement."""
    session = database.session()
    with database.connection() as connection:
        session.cut_when_overdue(math.inf)
        connection.exec_driver_sql("INSERT INTO notes VALUES ('lost')")


def _cut_in_transaction(database: Database) -> None:
    session = database.session()
    with database.transaction() as connection:
        connection.exec_driver_sql("INSERT INTO notes VALUES ('lost')")
        session.cut_when_overdue(math.inf)
        connection.exec_driver_sql("INSERT INTO notes VALUES ('lost')")


def _ended_between_two_uses_in_a_transaction(database: Database) -> None:
    with database.transaction() as connection:
        connection.exec_driver_sql("INSERT INTO notes VALUES ('lost')")
        pid = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
        # Another session: this one is told when it is used next.
        url = connection.engine.url.render_as_string(hide_password=False)
        carts.run_sql(url, f"SELECT pg_terminate_backend({pid}, 10000)")
        with database.connection() as same:
            same.exec_driver_sql("INSERT INTO notes VALUES ('lost')")


def _failing(database: Database) -> None:
    with database.transaction() as connection:
        connection.exec_driver_sql("INSERT INTO notes VALUES ('lost')")
        raise LookupError


def test_connection_is_kept(database: Database) -> None:
    pids = []
    for _ in range(2):
        with database.connection() as connection:
            pids.append(connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one())
    assert pids[0] == pids[1]


def test_transaction_happens_whole_or_not_at_all(database: Database, own_url: str) -> None:
    _note(database, "a", "b")
    with pytest.raises(DatabaseFailed) as refused:
        _note(database, "canary", "")
    assert "canary" not in str(refused.value)
    with pytest.raises(LookupError):
        _failing(database)
    assert _notes(own_url) == ["a", "b"]
    _note(database, "d")
    assert _notes(own_url) == ["a", "b", "d"]


def test_refusal_of_a_planned_statement_names_the_rule_and_no_value(database: Database) -> None:
    with pytest.raises(DatabaseFailed) as refused, database.connection() as connection:
        _NOTE.run(connection, "")
    assert str(refused.value) == "CheckViolation 23514 notes_note_check"
    with database.connection() as connection:
        assert _NOTE.row(connection, "a") == ("a",)


@pytest.mark.parametrize(
    "end",
    [
        _ended_in_transaction,
        _ended_by_a_plan_in_transaction,
        _cut_in_transaction,
        _ended_between_two_uses_in_a_transaction,
    ],
)
def test_end_before_anything_could_be_committed_says_so(
    database: Database, own_url: str, end: Callable[[Database], None]
) -> None:
    with pytest.raises(ConnectionLost):
        end(database)
    assert _notes(own_url) == []
    _note(database, "a")
    assert _notes(own_url) == ["a"]


def test_use_inside_a_transaction_belongs_to_it(database: Database, own_url: str) -> None:
    with database.transaction() as connection, database.connection() as same:
        assert same is connection
        same.exec_driver_sql("INSERT INTO notes VALUES ('a')")
        assert _notes(own_url) == []
    assert _notes(own_url) == ["a"]
    assert database.checked_out() == 0


@pytest.mark.parametrize("end", [_ended, _ended_by_a_plan, _cut])
def test_end_under_a_statement_says_that_it_may_have_happened(
    database: Database, end: Callable[[Database], None]
) -> None:
    with pytest.raises(AnswerLost):
        end(database)
    _note(database, "a")
