from app.cart.repository import READ
from tests.support import carts


def test_reading_carts_is_planned_with_the_statement_around_it(migrated_url: str) -> None:
    # A function of its own would be called, and its statements begun and ended, for every cart.
    call = READ.text.replace("$1", "ARRAY['c-1', 'c-2']")
    plan = "\n".join(line for (line,) in carts.run_sql(migrated_url, f"EXPLAIN VERBOSE {call}"))
    assert "on public.carts c" in plan
    assert "cart_read_v1" not in plan
    assert "cart_tag_v1" not in plan


def test_a_change_of_a_cart_costs_no_index_an_entry(own_url: str) -> None:
    """What changes stays on its page (HOT), or each add would write every index of the cart."""
    # A quantity that depends on n: it is called for each.
    add = (
        "cart_add_item_v1('c-1', 'mug', NULL, 1, 0, 'EUR', 2, false,"
        " 1 + n * 0, 99, 9, '30 days', NULL)"
    )
    (found,) = carts.run_sql(
        own_url,
        f"WITH done AS (SELECT count(*) FROM generate_series(1, 20) AS n, LATERAL {add})"  # noqa: S608 - of the test
        " SELECT pg_stat_get_xact_tuples_updated('carts'::regclass),"
        " pg_stat_get_xact_tuples_hot_updated('carts'::regclass),"
        " pg_stat_get_xact_tuples_updated('cart_items'::regclass),"
        " pg_stat_get_xact_tuples_hot_updated('cart_items'::regclass) FROM done",
    )
    # The first made the line.
    assert found == (20, 20, 19, 19)
