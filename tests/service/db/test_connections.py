import secrets
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest
import sqlalchemy
from sqlalchemy.engine import URL, make_url
from starlette.testclient import TestClient

from app import settings
from app.db import credentials, sessions
from app.db.connections import Database
from app.errors import DatabaseUnavailable, InvalidSettings
from app.urls import parse_url
from tests.support import carts
from tests.support.proxy import Proxy

if TYPE_CHECKING:
    from carthub_dev.database import DatabaseServer


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg2"])
def test_every_spelling_of_the_scheme_opens(migrated_url: str, scheme: str) -> None:
    url = migrated_url.replace("postgresql+psycopg2", scheme)
    with carts.running_client(carts.settings_for(url)) as client:
        assert client.get("/health").status_code == 200


def test_parts_of_the_url_reach_the_driver() -> None:
    url = parse_url("postgres://us%40er:p%3Aw@h:1/d?sslmode=verify-full&options=-c%20geqo%3Doff")
    arguments = credentials._arguments(url, {"options": "-c timezone=UTC", "connect_timeout": 3})  # noqa: SLF001 - pure
    assert arguments == {
        "user": "us@er",
        "password": "p:w",
        "host": "h",
        "port": 1,
        "dbname": "d",
        "sslmode": "verify-full",
        "options": r"-c timezone=UTC -c geqo=off -c default_transaction_isolation=read\ committed",
        "connect_timeout": 3,
    }


def test_writes_to_one_cart_follow_each_other_whatever_isolation_is_the_default(
    own_url: str,
) -> None:
    name = own_url.rpartition("/")[2]
    setting = r"-c default_transaction_isolation=repeatable\ read"
    carts.run_sql(
        own_url,
        f"ALTER ROLE CURRENT_USER IN DATABASE {name}"
        " SET default_transaction_isolation = 'repeatable read'",
    )
    url = make_url(own_url).update_query_dict({"options": setting})
    for given in (own_url, url.render_as_string(hide_password=False)):
        with carts.running_client(carts.settings_for(given)) as client:
            shopper = carts.new_shopper(client)
            with ThreadPoolExecutor(8) as pool:
                adding = [pool.submit(shopper.add) for _ in range(40)]
            assert {each.result().status_code for each in adding} == {201}
            assert shopper.cart()["item_count"] == 40


@pytest.mark.parametrize("is_as_libpq_has_it", [True, False])
def test_hosts_of_a_url_are_tried_in_turn(migrated_url: str, *, is_as_libpq_has_it: bool) -> None:
    url = make_url(migrated_url)
    hosts: dict[str, str | list[str]] = {"host": ["127.0.0.1:1", f"{url.host}:{url.port}"]}
    if is_as_libpq_has_it:
        hosts = {"host": f"127.0.0.1,{url.host}", "port": f"1,{url.port}"}
    given = url.set(host=None, port=None).update_query_dict(hosts)
    database = Database(carts.settings_for(given.render_as_string(hide_password=False)))
    with database.connection() as connection:
        assert connection.exec_driver_sql("SELECT 1").scalar_one() == 1
    database.close()


def test_server_that_says_nothing_is_given_up_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://u:p@127.0.0.1:{silent.getsockname()[1]}/x"
        database = Database(carts.settings_for(url, db_connect_timeout_seconds=1))
        with pytest.raises(DatabaseUnavailable, match="no answer in time"):
            database.session().open()


def test_server_that_says_nothing_behind_the_first_login_is_given_up_in_time(own_url: str) -> None:
    url = make_url(own_url)
    swallowed: list[bytes] = []

    def is_lost(sent: bytes) -> bool:
        # A query, and so the login is done.
        is_query = is_stalled and sent[:1] == b"Q"
        if is_query:
            swallowed.append(sent)
        return is_query

    is_stalled = True
    with Proxy(str(url.host), int(url.port or 0)) as proxy:
        proxy.loses = is_lost
        given = url.set(host="127.0.0.1", port=proxy.port).render_as_string(hide_password=False)
        chosen = carts.settings_for(given, db_connect_timeout_seconds=1)
        with carts.running_client(chosen) as client:
            carts.wait_until(lambda: bool(swallowed))
            is_stalled = False
            shopper = carts.new_shopper(client)
            carts.wait_until(lambda: shopper.add().status_code == 201)
            carts.wait_until(lambda: client.get("/health").status_code == 200)


@pytest.mark.parametrize(
    "url",
    [
        "mysql://u:canary@h/d",
        "canary",
        "postgresql+asyncpg://u:canary@h/d",
        "postgresql://u:canary@/d?host=a:1&host=b:2&port=3",
    ],
)
def test_other_urls_are_refused_without_being_shown(url: str) -> None:
    with pytest.raises(InvalidSettings) as refused:
        parse_url(url)
    assert "canary" not in str(refused.value)


def test_missing_url_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    with pytest.raises(InvalidSettings, match=r"^DATABASE_URL is missing$"):
        settings.load()


def test_timeout_beyond_the_deadline_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:canary@h/d")
    monkeypatch.setenv("DB_STATEMENT_TIMEOUT_SECONDS", "11")
    message = (
        "DB_STATEMENT_TIMEOUT_SECONDS is 11, must be at most REQUEST_DEADLINE_SECONDS, which is 10"
    )
    with pytest.raises(InvalidSettings, match=f"^{message}$"):
        settings.load()


def test_file_is_read_at_every_new_connection(
    database_server: "DatabaseServer", own_url: str, tmp_path: Path
) -> None:
    name = own_url.rpartition("/")[2]
    logins = [f"login_{secrets.token_hex(4)}" for _ in range(2)]
    for login in logins:
        database_server.create_login(login, f"pw-{login}")
    file = tmp_path / "DATABASE_URL"
    file.write_text(database_server.url_for(logins[0], f"pw-{logins[0]}", database=name))
    chosen = carts.settings_for("postgresql://u:stale@127.0.0.1:1/x", db_credentials_dir=tmp_path)
    database = Database(chosen)
    try:
        assert _user(database) == logins[0]
        file.write_text(database_server.url_for(logins[1], f"pw-{logins[1]}", database=name))
        # A session that works is kept; only new ones log in anew, as another thread's.
        assert _user(database) == logins[0]
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(_user, database).result() == logins[1]
    finally:
        database.close()
        for login in logins:
            database_server.execute(f"DROP ROLE {login}")


def test_service_outlives_a_changed_password(
    database_server: "DatabaseServer", own_url: str, tmp_path: Path
) -> None:
    name, login = own_url.rpartition("/")[2], f"login_{secrets.token_hex(4)}"

    def rotate(password: str) -> None:
        database_server.create_login(login, password)
        url = database_server.url_for(login, password, database=name)
        (tmp_path / "DATABASE_URL").write_text(url)

    rotate("first")
    chosen = carts.settings_for(own_url, db_credentials_dir=tmp_path)
    with carts.running_client(chosen) as client:
        shopper = carts.new_shopper(client)
        assert shopper.add().status_code == 201
        rotate("second/%:@")
        assert shopper.add().status_code == 201
        _end_sessions(database_server, login)
        carts.wait_until(lambda: shopper.add().status_code == 201)
        assert shopper.add().status_code == 201
    carts.wait_until(lambda: not _end_sessions(database_server, login))
    database_server.execute(f"DROP ROLE {login}")


@pytest.mark.parametrize("content", [b"", b"canary", b"mysql://u:canary@h/d", b"\xff\xfe"])
def test_unusable_credentials_file_is_unavailable_until_it_is_replaced(
    own_url: str, tmp_path: Path, content: bytes
) -> None:
    file = tmp_path / "DATABASE_URL"
    file.write_bytes(content)
    chosen = carts.settings_for(own_url, db_credentials_dir=tmp_path, db_pool_timeout_seconds=0.2)
    with carts.running_client(chosen) as client:
        shopper = carts.new_shopper(client)
        for answer in (shopper.add(), client.get("/health")):
            carts.problem_of(answer, 503, "unavailable")
            assert "canary" not in answer.text
        file.write_text(own_url)
        carts.wait_until(lambda: shopper.add().status_code == 201)


def test_refused_login_reads_the_file_again_and_tries_once_more(
    database_server: "DatabaseServer", own_url: str
) -> None:
    class Rotating(credentials.Credentials):
        """As if the file were replaced between two reads."""

        def url(self) -> URL:
            reads.append(1)
            return parse_url(own_url if len(reads) > 1 else wrong)

    reads: list[int] = []
    wrong = database_server.url_for("carthub_app", "wrong", database=own_url.rpartition("/")[2])
    rotating = Rotating("", None)
    credentials.open_connection(rotating, connect_timeout_seconds=3, options="").close()
    assert len(reads) == 2


def test_password_that_stays_wrong_is_tried_twice_and_unavailable(
    database_server: "DatabaseServer",
) -> None:
    database = Database(carts.settings_for(database_server.url_for("carthub_app", "canary")))
    with pytest.raises(DatabaseUnavailable) as refused, database.connection():
        pass
    assert "canary" not in str(refused.value)
    database.close()


@pytest.mark.parametrize("rest_seconds", [5.0, 0.0])
def test_connections_that_ended_while_they_rested_cost_nothing(
    database_server: "DatabaseServer",
    own_url: str,
    monkeypatch: pytest.MonkeyPatch,
    rest_seconds: float,
) -> None:
    monkeypatch.setattr(sessions, "_REST_SECONDS", rest_seconds)
    with carts.running_client(carts.settings_for(own_url)) as client:
        shopper = carts.new_shopper(client)
        assert shopper.add().status_code == 201
        carts.wait_until(lambda: carts.metric(client, "carthub_db_pool_overflow") == 0)
        name = own_url.rpartition("/")[2]
        assert _end_sessions(database_server, "carthub_app", name) >= carts.POOL_SIZE
        assert [shopper.add().status_code for _ in range(5)] == [201] * 5


def test_demoted_primary_is_left(database_server: "DatabaseServer", own_url: str) -> None:
    name = own_url.rpartition("/")[2]
    chosen = carts.settings_for(own_url, db_pool_size=1, db_pool_timeout_seconds=0.3)
    with carts.running_client(chosen) as client:
        shopper = carts.new_shopper(client)
        carts.wait_until(lambda: shopper.add().status_code == 201)
        database_server.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        _in_worker(client, _demote)
        carts.problem_of(shopper.add(), 503, "unavailable")
        # A new connection finds the primary, although the session here would live on.
        database_server.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
        carts.wait_until(lambda: shopper.add().status_code == 201)


def test_request_outlives_every_connection_to_a_demoted_primary(
    own_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = threading.Barrier(carts.POOL_SIZE)

    def demote(connection: sqlalchemy.Connection) -> None:
        _demote(connection)
        gate.pass_with(connection)

    def connect(*args: Any, **options: Any) -> psycopg2.extensions.connection:
        # The primary is found once every connection to the old one is gone.
        together.wait(30)
        return opens(*args, **options)

    opens = credentials.open_connection
    with carts.running_client(carts.settings_for(own_url)) as client:
        shopper = carts.new_shopper(client)
        carts.wait_until(lambda: carts.metric(client, "carthub_db_pool_overflow") == 0)
        with ThreadPoolExecutor(carts.POOL_SIZE) as pool, carts.closed_gate(own_url) as gate:
            waiting = [pool.submit(_in_worker, client, demote) for _ in range(carts.POOL_SIZE)]
            carts.wait_until(
                lambda: carts.metric(client, "carthub_db_pool_checked_out") == carts.POOL_SIZE
            )
            gate.open()
            for each in waiting:
                each.result()
        monkeypatch.setattr(credentials, "open_connection", connect)
        try:
            assert shopper.add().status_code == 201
        finally:
            together.abort()
            monkeypatch.undo()


def _demote(connection: sqlalchemy.Connection) -> None:
    connection.exec_driver_sql("SET default_transaction_read_only = on")


def _in_worker(client: TestClient, use: Callable[[sqlalchemy.Connection], object]) -> None:
    """Use the connection of a worker."""
    service = carts.service_of(client)

    def run() -> None:
        with service.carts._database.connection() as connection:  # noqa: SLF001 - its session
            use(connection)

    assert client.portal is not None
    client.portal.call(service.run, run)


def _user(database: Database) -> str:
    with database.connection() as connection:
        user: str = connection.exec_driver_sql("SELECT session_user").scalar_one()
        return user


def _end_sessions(server: "DatabaseServer", login: str, database: str | None = None) -> int:
    """End sessions, wait for their end, and return how many there were."""
    found = server.execute(
        "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity"
        " WHERE usename = %s AND (%s IS NULL OR datname = %s)",
        [login, database, database],
    )
    return len(found)
