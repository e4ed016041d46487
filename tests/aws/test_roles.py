"""The database's roles as the page makes them, and AWS's rotation of alternating users on them."""

import contextlib
from collections.abc import Iterator

import psycopg2
from psycopg2 import sql

from app.migrations import command
from carthub_dev.database import DatabaseServer
from tests.support import carts, stacks

PASSWORD = "first"
SECOND = "second"


@contextlib.contextmanager
def _administrator(instance: DatabaseServer) -> Iterator[psycopg2.extensions.cursor]:
    url = instance.url_for("carthub_admin", "admin").replace("+psycopg2", "")
    with contextlib.closing(psycopg2.connect(url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            yield cursor


def test_the_login_and_the_one_that_the_rotation_adds_both_serve(instance: DatabaseServer) -> None:
    statements = (stacks.FOLDER / "roles.sql").read_text()
    with _administrator(instance) as admin:
        admin.execute(statements.replace(":'app_password'", "%(password)s"), {"password": PASSWORD})

    # The first image migrates with the first login.
    command.migrate(carts.settings_for(instance.url_for("carthub_app", PASSWORD)))
    with _administrator(instance) as admin:
        # What AWS's function of alternating users runs the first time.
        clone = sql.Identifier("carthub_app_clone")
        admin.execute(sql.SQL("CREATE ROLE {} WITH LOGIN PASSWORD %s").format(clone), (SECOND,))
        admin.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier("carthub_app"), clone))

    for login, password in (("carthub_app_clone", SECOND), ("carthub_app", PASSWORD)):
        settings = carts.settings_for(instance.url_for(login, password))
        command.migrate(settings)
        with carts.running_client(settings) as client:
            shopper = carts.new_shopper(client)
            assert shopper.add("tea").status_code == 201
