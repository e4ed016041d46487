import pytest

from app.db.connections import Database
from app.db.statements import Statement
from app.errors import NotMigrated
from tests.support import carts

_SUM = Statement("test_sum", ("integer", "text[]"), "SELECT $1 + cardinality($2)")


@pytest.mark.parametrize("are_prepared", [True, False])
def test_answers_are_the_same_with_and_without_plans(
    migrated_url: str, *, are_prepared: bool
) -> None:
    chosen = carts.settings_for(migrated_url, db_prepared_statements=are_prepared, db_pool_size=1)
    database = Database(chosen)
    for number in range(3):
        with database.connection() as connection:
            assert _SUM.row(connection, number, ["a'b%s", "\\"]) == (number + 2,)
    with database.connection() as connection:
        rows = connection.exec_driver_sql("SELECT name FROM pg_prepared_statements").all()
        assert [name for (name,) in rows] == (["test_sum"] if are_prepared else [])
    database.close()


def test_statement_that_cannot_be_planned_spoils_no_other(migrated_url: str) -> None:
    broken = Statement("test_broken", ("integer",), "SELECT no_such_function($1)")
    database = Database(carts.settings_for(migrated_url, db_pool_size=1))
    for _ in range(2):
        with (
            pytest.raises(NotMigrated, match="UndefinedFunction 42883"),
            database.connection() as connection,
        ):
            broken.run(connection, 1)
        with database.connection() as connection:
            assert _SUM.row(connection, 1, []) == (1,)
    database.close()


def test_carts_work_behind_a_pooler_that_keeps_no_plans(migrated_url: str) -> None:
    chosen = carts.settings_for(migrated_url, db_prepared_statements=False)
    with carts.running_client(chosen) as client:
        shopper = carts.new_shopper(client)
        assert shopper.add(quantity=2).status_code == 201
        item = shopper.item_path("mug")
        assert client.put(item, json={"quantity": 3}).json()["item_count"] == 3
        assert shopper.cart()["item_count"] == 3
        order = shopper.check_out(expected_total="28.50")
        assert client.get(order.headers["location"]).json() == order.json()
