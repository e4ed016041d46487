import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qs, urlsplit

import psycopg2
import pytest
from psycopg2 import extensions, sql

from carthub_dev import packages
from carthub_dev.database_tls import HOST_NAME, TlsDatabase
from carthub_dev.errors import ProcessEnded
from carthub_dev.ledger import Ledger
from carthub_dev.pki import Authority

pytestmark = [
    pytest.mark.node,
    pytest.mark.skipif(os.geteuid() != 0, reason="runs a server as the user postgres: needs root"),
]


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsDatabase]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CARTHUB_STATE", str(tmp_path_factory.mktemp("state")))
        with Ledger.open("database-tls") as ledger, TlsDatabase(ledger) as server:
            yield server


def connected(database: TlsDatabase, **options: str) -> tuple[str, bool]:
    """Connect as the application and return the session's role and whether it is encrypted."""
    given: dict[str, str] = {
        "host": database.host,
        "port": str(database.port),
        "dbname": "carthub",
        "user": "carthub_app",
        "password": database.password,
        "sslmode": "verify-full",
        "sslrootcert": str(database.ca_file),
    }
    connection = psycopg2.connect(extensions.make_dsn(**{**given, **options}))
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_user, ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
            [(role, is_encrypted)] = cursor.fetchall()
            return role, is_encrypted
    finally:
        connection.close()


def test_a_client_that_verifies_fully_is_encrypted(database: TlsDatabase) -> None:
    assert connected(database) == ("carthub_app", True)


def test_the_certificate_also_names_the_host(database: TlsDatabase) -> None:
    by_name = {"host": HOST_NAME, "hostaddr": database.host}
    assert connected(database, **by_name) == ("carthub_app", True)


def test_another_name_is_refused(database: TlsDatabase) -> None:
    with pytest.raises(psycopg2.OperationalError, match="does not match host name"):
        connected(database, host="elsewhere.carthub.test", hostaddr=database.host)


def test_another_authority_is_refused(database: TlsDatabase, tmp_path: Path) -> None:
    other = tmp_path / "other.crt"
    other.write_text(Authority.create("Somebody else").certificate)
    with pytest.raises(psycopg2.OperationalError, match="certificate verify failed"):
        connected(database, sslrootcert=str(other))


def test_a_plain_connection_is_refused(database: TlsDatabase) -> None:
    with pytest.raises(psycopg2.OperationalError, match="no encryption"):
        connected(database, sslmode="disable")


def test_a_wrong_password_is_refused(database: TlsDatabase) -> None:
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        connected(database, password="another")


def test_its_urls_ask_for_full_verification(database: TlsDatabase) -> None:
    query = parse_qs(urlsplit(database.admin_url).query)
    assert query == {"sslmode": ["verify-full"], "sslrootcert": [str(database.ca_file)]}
    assert database.ca_file.read_text() == database.ca_pem


def test_the_owner_cannot_log_in_and_the_application_is_a_member(database: TlsDatabase) -> None:
    assert database.execute("SELECT rolcanlogin FROM pg_roles WHERE rolname = 'carthub_owner'") == [
        (False,)
    ]
    assert database.execute("SELECT pg_has_role('carthub_app', 'carthub_owner', 'MEMBER')") == [
        (True,)
    ]


def test_a_new_login_connects(database: TlsDatabase) -> None:
    database.create_login("carthub_app_b", "b/@:%")
    assert connected(database, user="carthub_app_b", password="b/@:%") == ("carthub_app_b", True)


def test_a_database_of_a_test_can_be_dropped(database: TlsDatabase) -> None:
    url = database.fresh_database()
    name = urlsplit(url).path.removeprefix("/")
    assert connected(database, dbname=name) == ("carthub_app", True)
    database.drop_database(url)
    assert database.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]) == []


def test_it_allows_as_many_connections_as_a_medium_instance(database: TlsDatabase) -> None:
    assert database.execute("SHOW max_connections") == [("450",)]


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_it_comes_back_on_the_same_port_with_its_data(
    database: TlsDatabase, mode: Literal["fast", "immediate"]
) -> None:
    table = sql.Identifier(f"kept_{mode}")
    database.execute(sql.SQL("CREATE TABLE {} AS SELECT 7 AS seven").format(table))
    # As a checkpoint: an immediate stop may lose what an fsync would have kept.
    database.execute("CHECKPOINT")
    port = database.port
    database.stop(mode)
    with pytest.raises(psycopg2.OperationalError, match="refused"):
        connected(database)
    database.start()
    assert database.port == port
    assert database.execute(sql.SQL("SELECT seven FROM {}").format(table)) == [(7,)]


def test_it_runs_as_the_unprivileged_user_and_leaves_nothing(own_ledger: Ledger) -> None:
    with TlsDatabase(own_ledger) as server:
        pid = server.process.pid
        folder = server.folder
        assert Path(f"/proc/{pid}").stat().st_uid != 0
        assert not list(folder.glob("password"))
        key = folder / "server.key"
        assert key.stat().st_mode & 0o077 == 0
    assert not Path(f"/proc/{pid}").exists()
    assert not folder.exists()
    with pytest.raises(ProcessEnded):
        _ = server.process


def test_the_package_is_known_by_its_programs() -> None:
    assert packages.is_present("postgresql")
