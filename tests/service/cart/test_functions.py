from app.cart.repository import READ
from tests.support import carts


def test_reading_carts_is_planned_with_the_statement_around_it(migrated_url: str) -> None:
    # A function of its own would be called, and its statements begun and ended, for every cart.
    call = READ.text.replace("$1", "ARRAY['c-1', 'c-2']")
    plan = "\n".join(line for (line,) in carts.run_sql(migrated_url, f"EXPLAIN VERBOSE {call}"))
    assert "on public.carts c" in plan
    assert "cart_read_v1" not in plan
    assert "cart_tag_v1" not in plan
