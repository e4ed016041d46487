import contextlib
from collections.abc import Iterator

import psycopg2
import pytest
from sqlalchemy.engine import make_url

from carthub_dev.database import DatabaseServer
from carthub_dev.ledger import Ledger


@contextlib.contextmanager
def connected(url: str) -> Iterator[psycopg2.extensions.connection]:
    parsed = make_url(url)
    with contextlib.closing(
        psycopg2.connect(
            host=parsed.host,
            port=parsed.port,
            user=parsed.username,
            password=parsed.password,
            dbname=parsed.database,
        )
    ) as connection:
        connection.autocommit = True
        yield connection


def run(url: str, statement: str) -> list[tuple[object, ...]]:
    with connected(url) as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


def test_the_app_uses_what_the_owner_creates(database_server: DatabaseServer) -> None:
    url = database_server.fresh_database()
    run(url, "SET ROLE carthub_owner; CREATE TABLE carts (id int)")
    run(url, "INSERT INTO carts VALUES (1)")
    assert run(url, "SELECT id, current_user FROM carts") == [(1, "carthub_app")]
    assert run(url, "SELECT tableowner FROM pg_tables WHERE tablename = 'carts'") == [
        ("carthub_owner",)
    ]
    database_server.drop_database(url)
    with pytest.raises(psycopg2.OperationalError, match="does not exist"):
        run(url, "SELECT 1")


def test_every_fresh_database_is_empty_or_a_copy(database_server: DatabaseServer) -> None:
    first = database_server.fresh_database()
    run(first, "CREATE TABLE mine (id int)")
    copy = database_server.fresh_database(template=first.rpartition("/")[2])
    empty = database_server.fresh_database()
    assert run(copy, "SELECT count(*) FROM mine") == [(0,)]
    assert run(empty, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == [(0,)]
    for url in (first, copy, empty):
        database_server.drop_database(url)


def test_nobody_gets_in_without_the_right_password(database_server: DatabaseServer) -> None:
    wrong = database_server.url_for("carthub_app", "wrong")
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        run(wrong, "SELECT 1")
    assert run(database_server.url, "SELECT current_user") == [("carthub_app",)]
    assert run(database_server.admin_url, "SELECT current_user") == [("postgres",)]


def test_a_login_gets_another_password(database_server: DatabaseServer) -> None:
    database_server.create_login("rotating", "first p@ss/wörd")
    assert run(database_server.url_for("rotating", "first p@ss/wörd"), "SELECT 1") == [(1,)]
    database_server.create_login("rotating", "second")
    assert run(database_server.url_for("rotating", "second"), "SELECT 1") == [(1,)]
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        run(database_server.url_for("rotating", "first p@ss/wörd"), "SELECT 1")
    database_server.execute("DROP ROLE rotating")


def test_a_login_outside_the_owner_role_cannot_become_it(database_server: DatabaseServer) -> None:
    database_server.create_login("stranger", "secret", member_of=None)
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        run(database_server.url_for("stranger", "secret"), "SET ROLE carthub_owner")
    database_server.execute("DROP ROLE stranger")


def test_a_stopped_server_comes_back_with_its_data(ledger: Ledger) -> None:
    with DatabaseServer(ledger, settings={"max_connections": "7"}) as own:
        assert own.execute("SHOW max_connections") == [("7",)]
        own.execute("CREATE TABLE kept (id int)")
        url = own.url
        with connected(url):
            own.stop("fast")
            with pytest.raises(psycopg2.OperationalError, match="Connection refused"):
                run(url, "SELECT 1")
            own.start()
        own.stop("immediate")
        own.start()
        assert own.url == url
        assert own.execute("SELECT count(*) FROM kept") == [(0,)]
        folder = own.folder
    assert not folder.exists()
