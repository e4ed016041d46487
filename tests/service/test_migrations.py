import importlib.util
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import sqlalchemy
from alembic import autogenerate, script
from alembic.runtime.migration import MigrationContext

import app.cart
from app.cart.tables import metadata
from app.errors import DatabaseUnavailable, MigrationFailed
from app.migrations import command, compatibility
from tests.support import carts

if TYPE_CHECKING:
    from carthub_dev.database import DatabaseServer

_TYPE, *_SOURCES = sorted((Path(app.cart.__file__).parent / "sql").glob("*.sql"))


def _tables(url: str) -> set[str]:
    rows = carts.run_sql(url, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    return {name for (name,) in rows}


def _functions(url: str) -> dict[str, str]:
    rows = carts.run_sql(
        url,
        "SELECT proname, prosrc FROM pg_proc WHERE pronamespace = 'public'::regnamespace",
    )
    return dict(rows)


def test_tables_are_those_that_the_code_knows(own_url: str) -> None:
    assert _tables(own_url) == {*metadata.tables, "alembic_version"}
    assert {"carts", "cart_items", "orders", "order_items"} <= _tables(own_url)
    engine = sqlalchemy.create_engine(own_url, poolclass=sqlalchemy.NullPool)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_server_default": True})
        assert autogenerate.compare_metadata(context, metadata) == []
    # Which Alembic does not compare.
    preparer = engine.dialect.identifier_preparer
    checks = {
        (table.name, preparer.format_constraint(found))
        for table in metadata.tables.values()
        for found in table.constraints
        if isinstance(found, sqlalchemy.CheckConstraint)
    }
    live = carts.run_sql(
        own_url,
        "SELECT conrelid::regclass::text, conname FROM pg_constraint WHERE contype = 'c'"
        " AND connamespace = 'public'::regnamespace AND conrelid <> 0",
    )
    assert set(live) == checks


def test_functions_are_those_of_the_source(own_url: str) -> None:
    live = _functions(own_url)
    assert set(live) == {path.stem.partition("_")[2] for path in _SOURCES}
    for path in _SOURCES:
        body = re.search(r"\$\$(.*)\$\$", path.read_text(), re.DOTALL)
        assert body is not None
        assert live[path.stem.partition("_")[2]] == body[1], path.name


def test_migrations_hold_copies_of_the_source() -> None:
    copies: dict[str, str] = {}
    for file in sorted((Path(command.__file__).parent / "versions").glob("*.py")):
        spec = importlib.util.spec_from_file_location(file.stem, file)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        copies |= module.FUNCTIONS
        if hasattr(module, "ANSWER_TYPE"):
            copies["cart_answer_v1"] = module.ANSWER_TYPE
    assert {name: text.strip() for name, text in copies.items()} == {
        path.stem.partition("_")[2]: path.read_text().strip() for path in (_TYPE, *_SOURCES)
    }


def test_owner_role_owns_everything_whoever_migrates(
    database_server: "DatabaseServer", empty_url: str
) -> None:
    name = empty_url.rpartition("/")[2]
    database_server.create_login("rotated", "pw")
    url = database_server.url_for("rotated", "pw", database=name)
    try:
        command.migrate(carts.settings_for(url))
        owners = carts.run_sql(
            empty_url,
            "SELECT DISTINCT pg_get_userbyid(relowner) FROM pg_class"
            " WHERE relnamespace = 'public'::regnamespace",
        )
        assert owners == [("carthub_owner",)]
        # The other login of the pair can use and migrate them.
        command.migrate(carts.settings_for(empty_url))
        with carts.running_client(carts.settings_for(empty_url)) as client:
            assert carts.new_shopper(client).add().status_code == 201
    finally:
        database_server.execute("DROP ROLE rotated")


def test_down_and_up_again(own_url: str) -> None:
    settings = carts.settings_for(own_url)
    command.downgrade(settings, "base")
    assert _tables(own_url) == {"alembic_version"}
    assert _functions(own_url) == {}
    assert carts.run_sql(own_url, "SELECT to_regtype('cart_answer_v1')") == [(None,)]
    command.migrate(settings)
    assert set(metadata.tables) <= _tables(own_url)


_FULL = """
INSERT INTO carts SELECT gen_random_uuid(), 'full-' || n,
    CASE WHEN mod(n, 4) = 0 THEN 'checked_out' ELSE 'active' END, 'EUR', 2, 1, now(), now(),
    now() + interval '1 day'
FROM generate_series(1, 2000) AS n;
INSERT INTO cart_items SELECT c.id, 'p-' || l, NULL, 1.5, l, now()
FROM carts AS c CROSS JOIN generate_series(1, 3) AS l;
INSERT INTO orders SELECT gen_random_uuid(), id, customer_id, 'EUR', 2, 6, 9, now()
FROM carts WHERE status = 'checked_out';
INSERT INTO order_items SELECT o.id, l, 'p-' || l, NULL, 1.5, l, 1.5 * l
FROM orders AS o CROSS JOIN generate_series(1, 3) AS l
"""
_CONTENTS = """
SELECT (SELECT count(*) FROM carts), (SELECT sum(quantity * unit_price) FROM cart_items),
    (SELECT count(*) FROM orders), (SELECT sum(line_total) FROM order_items)
"""


def test_each_migration_leaves_what_is_in_a_full_database(own_url: str) -> None:
    settings = carts.settings_for(own_url)
    carts.run_sql(own_url, _FULL)
    full = carts.run_sql(own_url, _CONTENTS)
    scripts = script.ScriptDirectory.from_config(command.alembic_config())
    steps = [found.revision for found in scripts.walk_revisions()]
    for below in steps[1:]:
        command.downgrade(settings, below)
        assert carts.run_sql(own_url, _CONTENTS) == full
        command.migrate(settings)
        assert carts.run_sql(own_url, _CONTENTS) == full
        command.downgrade(settings, below)
    command.migrate(settings)
    assert carts.run_sql(own_url, _CONTENTS) == full
    with carts.running_client(settings) as client:
        shopper = carts.Shopper(client, "full-1")
        assert shopper.cart()["item_count"] == 6
        assert shopper.check_out().status_code == 201


def test_migrating_twice_changes_nothing(own_url: str) -> None:
    carts.run_sql(
        own_url,
        "INSERT INTO carts VALUES (gen_random_uuid(), 'c', 'active', NULL, NULL, 0,"
        " now(), now(), now())",
    )
    command.migrate(carts.settings_for(own_url))
    assert carts.run_sql(own_url, "SELECT count(*) FROM carts") == [(1,)]


def test_two_at_once_both_succeed(empty_url: str) -> None:
    settings = carts.settings_for(empty_url)
    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(command.migrate, settings) for _ in range(4)]:
            done.result()
    assert carts.run_sql(empty_url, "SELECT version_num FROM alembic_version") == [
        (compatibility.REVISION,)
    ]


def test_login_outside_the_owner_role_is_told_the_sql(
    database_server: "DatabaseServer", empty_url: str
) -> None:
    name = empty_url.rpartition("/")[2]
    database_server.create_login("out sider", "canary", member_of=None)
    settings = carts.settings_for(database_server.url_for("out sider", "canary", database=name))
    try:
        with pytest.raises(MigrationFailed) as failed:
            command.migrate(settings)
        assert "canary" not in str(failed.value)
        remedy = str(failed.value).partition(f"database {name}: ")[2]
        assert remedy.startswith('GRANT "carthub_owner" TO "out sider";')
        # The SQL is complete: run as it stands, it makes the migration work.
        database_server.execute(remedy, database=name)
        command.migrate(settings)
    finally:
        database_server.execute('DROP ROLE "out sider"')


def test_missing_owner_role_is_part_of_that_sql(
    database_server: "DatabaseServer", empty_url: str
) -> None:
    name = empty_url.rpartition("/")[2]
    settings = carts.settings_for(empty_url, db_owner_role="other_owner")
    with pytest.raises(MigrationFailed) as failed:
        command.migrate(settings)
    remedy = str(failed.value).partition(f"database {name}: ")[2]
    assert remedy.startswith('CREATE ROLE "other_owner" NOLOGIN;')
    database_server.execute(remedy, database=name)
    command.migrate(settings)
    database_server.drop_database(empty_url)
    database_server.execute("DROP ROLE other_owner")


def test_owner_that_may_not_create_tables_is_told_the_sql(
    database_server: "DatabaseServer", empty_url: str
) -> None:
    name = empty_url.rpartition("/")[2]
    database_server.execute("CREATE ROLE poor_owner NOLOGIN")
    database_server.execute("GRANT poor_owner TO carthub_app")
    settings = carts.settings_for(empty_url, db_owner_role="poor_owner")
    with pytest.raises(MigrationFailed, match='GRANT USAGE, CREATE ON SCHEMA public TO "poor_'):
        command.migrate(settings)
    assert _tables(empty_url) == set()
    database_server.drop_database(f"{empty_url.rpartition('/')[0]}/{name}")
    database_server.execute("DROP ROLE poor_owner")


def test_newer_database_is_fine_while_it_serves_this_image(own_url: str) -> None:
    carts.run_sql(own_url, "UPDATE alembic_version SET version_num = '9999'")
    carts.run_sql(own_url, "INSERT INTO schema_compatibility VALUES ('9999')")
    command.migrate(carts.settings_for(own_url))
    assert carts.run_sql(own_url, "SELECT version_num FROM alembic_version") == [("9999",)]
    with carts.running_client(carts.settings_for(own_url)) as client:
        assert client.get("/health").status_code == 200


def test_newer_database_that_left_this_image_behind_is_refused(own_url: str) -> None:
    carts.run_sql(own_url, "UPDATE alembic_version SET version_num = '9999'")
    carts.run_sql(own_url, "DELETE FROM schema_compatibility WHERE revision <> '0001'")
    with pytest.raises(MigrationFailed, match="9999, which no longer serves"):
        command.migrate(carts.settings_for(own_url))
    with carts.running_client(carts.settings_for(own_url)) as client:
        assert client.get("/health").status_code == 503


def test_reason_of_a_refused_login_is_told(database_server: "DatabaseServer") -> None:
    url = database_server.url_for("carthub_app", "canary")
    with pytest.raises(DatabaseUnavailable, match="login refused"):
        command.migrate(carts.settings_for(url))


def test_database_that_is_away_is_unavailable() -> None:
    with pytest.raises(DatabaseUnavailable, match="connection refused"):
        command.migrate(carts.settings_for("postgresql://u:p@127.0.0.1:1/x"))
