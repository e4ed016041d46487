"""Setting several lines at once, and merging carts.

Revision: 0003
Adds functions only: images of 0001 and 0002 run on it. They are copies of app/cart/sql.
"""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the functions, and say that this schema serves these images."""
    for statement in FUNCTIONS.values():
        # Not by way of text(): a colon would be a parameter.
        op.get_bind().exec_driver_sql(statement)
    op.execute("INSERT INTO schema_compatibility (revision) VALUES ('0003')")


def downgrade() -> None:
    """Drop them again."""
    op.execute("DELETE FROM schema_compatibility WHERE revision = '0003'")
    for name in reversed(FUNCTIONS):
        op.execute(f"DROP FUNCTION {name}")


FUNCTIONS = {
    "cart_open_v1": """
-- Open a cart for a customer who has none; all NULL when another transaction did so meanwhile.
CREATE FUNCTION cart_open_v1(p_customer_id text, p_ttl interval) RETURNS carts
LANGUAGE plpgsql AS $$
DECLARE
    v_cart carts;
BEGIN
    INSERT INTO carts (id, customer_id, status, version, created_at, updated_at, expires_at)
    VALUES (
        gen_random_uuid(), p_customer_id, 'active', 0,
        clock_timestamp(), clock_timestamp(), clock_timestamp() + p_ttl
    )
    ON CONFLICT (customer_id) WHERE status = 'active' DO NOTHING
    RETURNING * INTO v_cart;
    RETURN v_cart;
END
$$
""",
    "cart_set_items_v1": """
-- Set several lines, in one round trip: all of them or none, and one version for all.
-- p_lines: [{index, product_id, quantity, name, unit_price, price_decimals}], each product once;
-- quantity 0 removes, a name or price left out stays as it is, and so does a line not named.
-- p_currency NULL: the cart's own; a default gives way to it.
-- The facts of a refusal name the index of its line, those of a success the prices before.
CREATE FUNCTION cart_set_items_v1(
    p_customer_id text,
    p_lines jsonb,
    p_currency text,
    p_currency_decimals integer,
    p_is_default_currency boolean,
    p_max_lines integer,
    p_ttl interval,
    p_tags text []
) RETURNS cart_answer_v1
LANGUAGE plpgsql AS $$
DECLARE
    v_cart carts;
    v_answer cart_answer_v1;
    v_currency text;
    v_decimals integer;
    v_found record;
BEGIN
    LOOP
        v_cart := cart_lock_v1(p_customer_id);
        v_answer := cart_refuses_tags_v1(v_cart, p_tags);
        IF v_answer.outcome IS NOT NULL THEN
            RETURN v_answer;
        END IF;
        v_currency := coalesce(v_cart.currency, p_currency);
        v_decimals := coalesce(v_cart.currency_decimals, p_currency_decimals);
        SELECT
            min(l.index) FILTER (
                WHERE l.quantity > 0 AND l.unit_price IS NULL AND i.cart_id IS NULL
            ) AS without_price,
            min(l.index) FILTER (WHERE l.price_decimals > v_decimals) AS too_fine,
            min(l.index) FILTER (WHERE l.quantity > 0) AS first_that_stays,
            count(*) FILTER (WHERE l.quantity > 0 AND i.cart_id IS NULL)
            - count(*) FILTER (WHERE l.quantity = 0 AND i.cart_id IS NOT NULL) AS more,
            coalesce(bool_or(
                CASE
                    WHEN i.cart_id IS NULL THEN l.quantity > 0
                    ELSE i.quantity <> l.quantity OR i.unit_price <> l.unit_price
                        OR i.name IS DISTINCT FROM coalesce(l.name, i.name)
                END
            ), false) AS is_change,
            json_agg(
                json_build_object(
                    'product_id', i.product_id,
                    'old_price', round(i.unit_price, v_decimals)::text
                ) ORDER BY l.index
            ) FILTER (WHERE l.quantity > 0 AND i.unit_price <> l.unit_price) AS old_prices
        INTO v_found
        FROM jsonb_to_recordset(p_lines) AS l (
            index integer, product_id text, quantity integer, name text,
            unit_price numeric, price_decimals integer
        )
        LEFT JOIN cart_items AS i ON i.cart_id = v_cart.id AND i.product_id = l.product_id;

        IF v_cart.currency <> p_currency AND NOT p_is_default_currency THEN
            RETURN (
                'currency-mismatch', NULL, NULL, json_build_object('currency', v_cart.currency)
            )::cart_answer_v1;
        ELSIF v_found.without_price IS NOT NULL THEN
            RETURN (
                'price-needed', NULL, NULL, json_build_object('index', v_found.without_price)
            )::cart_answer_v1;
        ELSIF v_found.first_that_stays IS NOT NULL AND v_currency IS NULL THEN
            RETURN (
                'currency-needed', NULL, NULL, json_build_object('index', v_found.first_that_stays)
            )::cart_answer_v1;
        ELSIF v_found.too_fine IS NOT NULL THEN
            RETURN ('price-decimals', NULL, NULL, json_build_object(
                'index', v_found.too_fine, 'currency', v_currency, 'decimals', v_decimals
            ))::cart_answer_v1;
        ELSIF v_found.more > 0 AND p_max_lines
            < v_found.more + (SELECT count(*) FROM cart_items WHERE cart_id = v_cart.id) THEN
            RETURN ('line-limit', NULL, NULL, NULL)::cart_answer_v1;
        ELSIF NOT v_found.is_change THEN
            RETURN cart_done_v1(p_customer_id);
        END IF;
        EXIT WHEN v_cart.id IS NOT NULL;
        v_cart := cart_open_v1(p_customer_id, p_ttl);
        -- Another transaction opened it meanwhile: look again.
        EXIT WHEN v_cart.id IS NOT NULL;
    END LOOP;

    DELETE FROM cart_items AS i
    USING jsonb_to_recordset(p_lines) AS l (product_id text, quantity integer)
    WHERE i.cart_id = v_cart.id AND i.product_id = l.product_id AND l.quantity = 0;
    INSERT INTO cart_items AS i (cart_id, product_id, name, unit_price, quantity, added_at)
    SELECT
        v_cart.id, l.product_id, l.name,
        coalesce(l.unit_price, known.unit_price), l.quantity,
        -- In the order in which they were named.
        clock_timestamp() + l.index * interval '1 microsecond'
    FROM jsonb_to_recordset(p_lines) AS l (
        index integer, product_id text, quantity integer, name text, unit_price numeric
    )
    LEFT JOIN cart_items AS known
        ON known.cart_id = v_cart.id AND known.product_id = l.product_id
    WHERE l.quantity > 0
    ON CONFLICT (cart_id, product_id) DO UPDATE
    SET quantity = excluded.quantity,
        unit_price = excluded.unit_price,
        name = coalesce(excluded.name, i.name);
    UPDATE carts SET currency = v_currency, currency_decimals = v_decimals
    WHERE id = v_cart.id AND currency IS NULL;

    v_answer := cart_changed_v1(v_cart, p_ttl);
    v_answer.facts := CASE
        WHEN v_found.old_prices IS NOT NULL
            THEN json_build_object('old_prices', v_found.old_prices)
    END;
    RETURN v_answer;
END
$$
""",
    "cart_merge_v1": """
-- Move the lines of one customer's cart into another's, in one transaction. Both carts are locked
-- in the order of their customers, so that opposite merges follow each other.
-- p_strategy, for products in both: 'sum' adds the quantities at the target's price,
-- 'keep-target' leaves the target's line, 'use-source' takes the source's. p_tags: the target's.
-- The facts of a success are the prices that gave way: the source's with sum, the target's with
-- use-source.
CREATE FUNCTION cart_merge_v1(
    p_target_id text,
    p_source_id text,
    p_strategy text,
    p_max_quantity integer,
    p_max_lines integer,
    p_ttl interval,
    p_tags text []
) RETURNS cart_answer_v1
LANGUAGE plpgsql AS $$
DECLARE
    v_target carts;
    v_source carts;
    v_answer cart_answer_v1;
    v_found record;
BEGIN
    LOOP
        BEGIN
            IF p_target_id COLLATE "C" < p_source_id COLLATE "C" THEN
                v_target := cart_lock_v1(p_target_id);
                v_source := cart_lock_v1(p_source_id);
            ELSE
                v_source := cart_lock_v1(p_source_id);
                v_target := cart_lock_v1(p_target_id);
            END IF;
            v_answer := cart_refuses_tags_v1(v_target, p_tags);
            IF v_answer.outcome IS NOT NULL THEN
                RETURN v_answer;
            END IF;
            SELECT
                count(*) AS lines,
                count(*) FILTER (WHERE t.cart_id IS NULL) AS more,
                min(s.product_id) FILTER (
                    WHERE p_strategy = 'sum' AND t.quantity + s.quantity > p_max_quantity
                ) AS too_many,
                coalesce(bool_or(
                    t.cart_id IS NULL OR p_strategy = 'sum'
                    OR (p_strategy = 'use-source' AND (t.quantity, t.unit_price, t.name)
                        IS DISTINCT FROM (s.quantity, s.unit_price, coalesce(s.name, t.name)))
                ), false) AS is_change,
                json_agg(
                    json_build_object(
                        'product_id', s.product_id,
                        'old_price', round(
                            CASE p_strategy
                                WHEN 'use-source' THEN t.unit_price ELSE s.unit_price
                            END,
                            v_source.currency_decimals
                        )::text
                    ) ORDER BY s.added_at, s.product_id
                ) FILTER (
                    WHERE p_strategy <> 'keep-target' AND t.unit_price <> s.unit_price
                ) AS old_prices
            INTO v_found
            FROM cart_items AS s
            LEFT JOIN cart_items AS t ON t.cart_id = v_target.id AND t.product_id = s.product_id
            WHERE s.cart_id = v_source.id;

            IF v_found.lines = 0 THEN
                RETURN cart_done_v1(p_target_id);
            ELSIF v_target.currency <> v_source.currency THEN
                RETURN ('currency-mismatch', NULL, NULL, json_build_object(
                    'currency', v_target.currency, 'source_currency', v_source.currency
                ))::cart_answer_v1;
            ELSIF v_found.too_many IS NOT NULL THEN
                RETURN ('quantity-limit', NULL, NULL, json_build_object(
                    'product_id', v_found.too_many,
                    'quantity', (
                        SELECT quantity FROM cart_items
                        WHERE cart_id = v_target.id AND product_id = v_found.too_many
                    )
                ))::cart_answer_v1;
            ELSIF v_found.more > 0 AND p_max_lines
                < v_found.more + (SELECT count(*) FROM cart_items WHERE cart_id = v_target.id) THEN
                RETURN ('line-limit', NULL, NULL, NULL)::cart_answer_v1;
            END IF;
            EXIT WHEN v_target.id IS NOT NULL;
            v_target := cart_open_v1(p_target_id, p_ttl);
            EXIT WHEN v_target.id IS NOT NULL;
            RAISE serialization_failure;
        EXCEPTION
            WHEN serialization_failure THEN
                -- Somebody opened the target meanwhile. Looking again from here would hold the
                -- source before the target: the locks of this round are given back first.
                NULL;
        END;
    END LOOP;

    INSERT INTO cart_items AS t (cart_id, product_id, name, unit_price, quantity, added_at)
    SELECT v_target.id, s.product_id, s.name, s.unit_price, s.quantity, s.added_at
    FROM cart_items AS s
    WHERE s.cart_id = v_source.id
    ON CONFLICT (cart_id, product_id) DO UPDATE
    SET quantity = CASE p_strategy
            WHEN 'sum' THEN t.quantity + excluded.quantity
            WHEN 'use-source' THEN excluded.quantity
            ELSE t.quantity
        END,
        unit_price = CASE p_strategy
            WHEN 'use-source' THEN excluded.unit_price ELSE t.unit_price
        END,
        name = CASE p_strategy
            WHEN 'sum' THEN coalesce(t.name, excluded.name)
            WHEN 'use-source' THEN coalesce(excluded.name, t.name)
            ELSE t.name
        END;
    UPDATE carts SET currency = v_source.currency, currency_decimals = v_source.currency_decimals
    WHERE id = v_target.id AND currency IS NULL;
    UPDATE carts
    SET status = 'merged', version = version + 1, updated_at = clock_timestamp()
    WHERE id = v_source.id;
    IF NOT v_found.is_change THEN
        RETURN cart_done_v1(p_target_id);
    END IF;
    v_answer := cart_changed_v1(v_target, p_ttl);
    v_answer.facts := CASE
        WHEN v_found.old_prices IS NOT NULL
            THEN json_build_object('old_prices', v_found.old_prices)
    END;
    RETURN v_answer;
END
$$
""",
}
