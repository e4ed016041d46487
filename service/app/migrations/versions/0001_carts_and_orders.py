"""Carts, orders and the functions that write them.

Revision: 0001
The functions are copies of app/cart/sql: an old migration stays as it was when the source moves on.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables, then the functions, then say which images this schema serves."""
    _create_carts()
    _create_orders()
    op.create_table(
        "schema_compatibility",
        sa.Column("revision", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("revision", name="pk_schema_compatibility"),
    )
    for statement in (ANSWER_TYPE, *FUNCTIONS.values()):
        # Not by way of text(): a colon would be a parameter.
        op.get_bind().exec_driver_sql(statement)
    op.execute("INSERT INTO schema_compatibility (revision) VALUES ('0001')")


def downgrade() -> None:
    """Drop everything again."""
    for name in reversed(FUNCTIONS):
        op.execute(f"DROP FUNCTION {name}")
    op.execute("DROP TYPE cart_answer_v1")
    for table in ("schema_compatibility", "order_items", "orders", "cart_items", "carts"):
        op.drop_table(table)


def _create_carts() -> None:
    op.create_table(
        "carts",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("customer_id", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("currency", sa.Text),
        sa.Column("currency_decimals", sa.SmallInteger),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "expires_on",
            sa.Date,
            sa.Computed("(expires_at AT TIME ZONE 'UTC')::date", persisted=True),
        ),
        sa.PrimaryKeyConstraint("id", name="pk_carts"),
        sa.CheckConstraint(
            "status IN ('active', 'checked_out', 'merged', 'expired')", name=op.f("ck_carts_status")
        ),
        sa.CheckConstraint(
            "(currency IS NULL) = (currency_decimals IS NULL)", name=op.f("ck_carts_currency")
        ),
        postgresql_with={"fillfactor": 85},
    )
    op.create_index(
        "uq_carts_active_customer",
        "carts",
        ["customer_id"],
        unique=True,
        postgresql_where=sa.text("status = 'active'"),
    )
    op.create_index(
        "ix_carts_expires_on",
        "carts",
        ["expires_on"],
        postgresql_where=sa.text("status = 'active'"),
    )
    op.create_table(
        "cart_items",
        sa.Column("cart_id", sa.Uuid, nullable=False),
        sa.Column("product_id", sa.Text, nullable=False),
        sa.Column("name", sa.Text),
        sa.Column("unit_price", sa.Numeric(18, 3), nullable=False),
        sa.Column("quantity", sa.Integer, nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("cart_id", "product_id", name="pk_cart_items"),
        sa.ForeignKeyConstraint(
            ["cart_id"], ["carts.id"], name="fk_cart_items_cart_id", ondelete="CASCADE"
        ),
        sa.CheckConstraint("quantity >= 1", name=op.f("ck_cart_items_quantity")),
        sa.CheckConstraint("unit_price >= 0", name=op.f("ck_cart_items_unit_price")),
        postgresql_with={"fillfactor": 85},
    )


def _create_orders() -> None:
    op.create_table(
        "orders",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("cart_id", sa.Uuid, nullable=False),
        sa.Column("customer_id", sa.Text, nullable=False),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("currency_decimals", sa.SmallInteger, nullable=False),
        sa.Column("item_count", sa.BigInteger, nullable=False),
        sa.Column("total", sa.Numeric(24, 3), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_orders"),
        sa.UniqueConstraint("cart_id", name="uq_orders_cart_id"),
        sa.ForeignKeyConstraint(["cart_id"], ["carts.id"], name="fk_orders_cart_id"),
        sa.CheckConstraint("item_count >= 1", name=op.f("ck_orders_item_count")),
        sa.CheckConstraint("total >= 0", name=op.f("ck_orders_total")),
    )
    op.create_index(
        "ix_orders_customer_id_created_at_id",
        "orders",
        ["customer_id", sa.text("created_at DESC"), sa.text("id DESC")],
    )
    op.create_table(
        "order_items",
        sa.Column("order_id", sa.Uuid, nullable=False),
        sa.Column("line_no", sa.Integer, nullable=False),
        sa.Column("product_id", sa.Text, nullable=False),
        sa.Column("name", sa.Text),
        sa.Column("unit_price", sa.Numeric(18, 3), nullable=False),
        sa.Column("quantity", sa.Integer, nullable=False),
        sa.Column("line_total", sa.Numeric(24, 3), nullable=False),
        sa.PrimaryKeyConstraint("order_id", "line_no", name="pk_order_items"),
        sa.ForeignKeyConstraint(
            ["order_id"], ["orders.id"], name="fk_order_items_order_id", ondelete="CASCADE"
        ),
        sa.CheckConstraint("quantity >= 1", name=op.f("ck_order_items_quantity")),
        sa.CheckConstraint(
            "line_total = unit_price * quantity", name=op.f("ck_order_items_line_total")
        ),
    )


ANSWER_TYPE = """
-- What every function that writes answers: Python reads the outcome and the tag, and passes the
-- document on as PostgreSQL wrote it.
CREATE TYPE cart_answer_v1 AS (
    outcome text,  -- 'done', or the reason of a refusal
    tag text,  -- the cart's ETag after the call
    document json,  -- the cart or the order as clients see it
    facts json  -- what a refusal or a warning tells beside
)
"""

# In the order of creation: a function comes after those it calls.
FUNCTIONS = {
    "cart_tag_v1": """
-- What the strong ETag of a cart holds; 'empty' means no active cart.
-- With casts, not as `uuid || text`: that is only stable, and the call would not become part of
-- the statement around it.
CREATE FUNCTION cart_tag_v1(p_cart carts) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE
        WHEN p_cart.id IS NULL THEN 'empty' ELSE p_cart.id::text || '.' || p_cart.version::text
    END
$$
""",
    "cart_read_v1": """
-- The active carts of customers as clients see them, prices with exactly the currency's decimals;
-- no row for a customer without one. One statement, one snapshot: the lines belong to the version.
-- It becomes part of the statement that calls it, and is planned with that.
CREATE FUNCTION cart_read_v1(p_customer_ids text [])
RETURNS TABLE (customer_id text, tag text, document json)
LANGUAGE sql STABLE AS $$
    SELECT c.customer_id, cart_tag_v1(c), json_build_object(
        'cart_id', c.id,
        'customer_id', c.customer_id,
        'currency', c.currency,
        'items', l.items,
        'item_count', l.item_count,
        'line_count', l.line_count,
        'total', coalesce(round(l.total, c.currency_decimals), 0)::text,
        'version', c.version,
        'updated_at', c.updated_at,
        'expires_at', c.expires_at
    )
    FROM carts AS c
    CROSS JOIN LATERAL (
        SELECT
            coalesce(
                json_agg(
                    json_build_object(
                        'product_id', i.product_id,
                        'name', i.name,
                        'unit_price', round(i.unit_price, c.currency_decimals)::text,
                        'quantity', i.quantity,
                        'line_total',
                        round(i.unit_price * i.quantity, c.currency_decimals)::text
                    ) ORDER BY i.added_at, i.product_id
                ),
                '[]'
            ) AS items,
            coalesce(sum(i.quantity), 0) AS item_count,
            count(*) AS line_count,
            sum(i.unit_price * i.quantity) AS total
        FROM cart_items AS i
        WHERE i.cart_id = c.id
    ) AS l
    WHERE c.customer_id = ANY (p_customer_ids) AND c.status = 'active' AND c.expires_at > now()
$$
""",
    "cart_done_v1": """
-- The answer of a call that is done: what GET would answer now.
CREATE FUNCTION cart_done_v1(p_customer_id text) RETURNS cart_answer_v1
LANGUAGE plpgsql AS $$
DECLARE
    v_answer cart_answer_v1 := ('done', 'empty', NULL, NULL);
BEGIN
    SELECT tag, document INTO v_answer.tag, v_answer.document
    FROM cart_read_v1(ARRAY[p_customer_id]);
    v_answer.tag := coalesce(v_answer.tag, 'empty');
    RETURN v_answer;
END
$$
""",
    "cart_lock_v1": """
-- The customer's active cart, locked until the transaction ends; all NULL when there is none.
-- A cart past its time is marked so here, and then counts as none.
CREATE FUNCTION cart_lock_v1(p_customer_id text) RETURNS carts
LANGUAGE plpgsql AS $$
DECLARE
    v_cart carts;
BEGIN
    SELECT * INTO v_cart FROM carts
    WHERE customer_id = p_customer_id AND status = 'active'
    FOR UPDATE;
    IF v_cart.expires_at <= clock_timestamp() THEN
        UPDATE carts SET status = 'expired', version = version + 1, updated_at = clock_timestamp()
        WHERE id = v_cart.id;
        RETURN NULL;
    END IF;
    RETURN v_cart;
END
$$
""",
    "cart_refuses_tags_v1": """
-- The refusal when If-Match names other versions than this; NULL when the write may go on.
-- PL/pgSQL for its kept plan: most writes come without If-Match, and have nothing to plan then.
CREATE FUNCTION cart_refuses_tags_v1(p_cart carts, p_tags text []) RETURNS cart_answer_v1
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    IF p_tags IS NULL
        OR cart_tag_v1(p_cart) = ANY (p_tags)
        OR ('*' = ANY (p_tags) AND p_cart.id IS NOT NULL) THEN
        RETURN NULL;
    END IF;
    RETURN (
        'precondition-failed', cart_tag_v1(p_cart), NULL,
        json_build_object('current_version', coalesce(p_cart.version, 0))
    )::cart_answer_v1;
END
$$
""",
    "cart_changed_v1": """
-- Count a change of a locked cart, prolong its life, and answer what GET would answer now.
CREATE FUNCTION cart_changed_v1(p_cart carts, p_ttl interval) RETURNS cart_answer_v1
LANGUAGE plpgsql AS $$
DECLARE
    -- Without lines a cart has no currency.
    v_has_lines boolean := EXISTS (SELECT FROM cart_items WHERE cart_id = p_cart.id);
BEGIN
    UPDATE carts
    SET version = version + 1,
        currency = CASE WHEN v_has_lines THEN currency END,
        currency_decimals = CASE WHEN v_has_lines THEN currency_decimals END,
        updated_at = clock_timestamp(),
        expires_at = clock_timestamp() + p_ttl
    WHERE id = p_cart.id;
    RETURN cart_done_v1(p_cart.customer_id);
END
$$
""",
    "cart_add_item_v1": """
-- Add pieces of a product, in one round trip. The cart row is locked first, so that adds to one
-- cart follow each other; nothing is written before the last refusal.
-- p_currency NULL: the cart's own; a default gives way to it. p_price_decimals: how many the price
-- has, checked against the currency's.
CREATE FUNCTION cart_add_item_v1(
    p_customer_id text,
    p_product_id text,
    p_name text,
    p_unit_price numeric,
    p_price_decimals integer,
    p_currency text,
    p_currency_decimals integer,
    p_is_default_currency boolean,
    p_quantity integer,
    p_max_quantity integer,
    p_max_lines integer,
    p_ttl interval,
    p_tags text []
) RETURNS cart_answer_v1
LANGUAGE plpgsql AS $$
DECLARE
    v_cart carts;
    v_line cart_items;
    v_answer cart_answer_v1;
BEGIN
    LOOP
        v_cart := cart_lock_v1(p_customer_id);
        v_answer := cart_refuses_tags_v1(v_cart, p_tags);
        IF v_answer.outcome IS NOT NULL THEN
            RETURN v_answer;
        END IF;
        IF v_cart.currency IS NULL AND p_currency IS NULL THEN
            RETURN ('currency-needed', NULL, NULL, NULL)::cart_answer_v1;
        ELSIF v_cart.currency <> p_currency AND NOT p_is_default_currency THEN
            RETURN (
                'currency-mismatch', NULL, NULL, json_build_object('currency', v_cart.currency)
            )::cart_answer_v1;
        ELSIF p_price_decimals > coalesce(v_cart.currency_decimals, p_currency_decimals) THEN
            RETURN ('price-decimals', NULL, NULL, json_build_object(
                'currency', coalesce(v_cart.currency, p_currency),
                'decimals', coalesce(v_cart.currency_decimals, p_currency_decimals)
            ))::cart_answer_v1;
        END IF;
        EXIT WHEN v_cart.id IS NOT NULL;
        INSERT INTO carts (id, customer_id, status, version, created_at, updated_at, expires_at)
        VALUES (
            gen_random_uuid(), p_customer_id, 'active', 0,
            clock_timestamp(), clock_timestamp(), clock_timestamp() + p_ttl
        )
        ON CONFLICT (customer_id) WHERE status = 'active' DO NOTHING
        RETURNING * INTO v_cart;
        -- Another transaction made it meanwhile: lock that one.
        EXIT WHEN v_cart.id IS NOT NULL;
    END LOOP;

    SELECT * INTO v_line FROM cart_items
    WHERE cart_id = v_cart.id AND product_id = p_product_id;
    IF v_line.quantity + p_quantity > p_max_quantity THEN
        RETURN (
            'quantity-limit', NULL, NULL, json_build_object('quantity', v_line.quantity)
        )::cart_answer_v1;
    ELSIF v_line.cart_id IS NOT NULL THEN
        UPDATE cart_items
        SET quantity = quantity + p_quantity,
            unit_price = p_unit_price,
            name = coalesce(p_name, name)
        WHERE cart_id = v_cart.id AND product_id = p_product_id;
    ELSIF p_max_lines <= (SELECT count(*) FROM cart_items WHERE cart_id = v_cart.id) THEN
        RETURN ('line-limit', NULL, NULL, NULL)::cart_answer_v1;
    ELSE
        INSERT INTO cart_items (cart_id, product_id, name, unit_price, quantity, added_at)
        VALUES (v_cart.id, p_product_id, p_name, p_unit_price, p_quantity, clock_timestamp());
    END IF;
    -- One write of the row for all that changes in it.
    UPDATE carts
    SET version = version + 1,
        currency = coalesce(currency, p_currency),
        currency_decimals = coalesce(currency_decimals, p_currency_decimals),
        updated_at = clock_timestamp(),
        expires_at = clock_timestamp() + p_ttl
    WHERE id = v_cart.id;

    v_answer := cart_done_v1(p_customer_id);
    IF v_line.unit_price <> p_unit_price THEN
        v_answer.facts := json_build_object(
            'old_price', round(v_line.unit_price, v_cart.currency_decimals)::text
        );
    END IF;
    RETURN v_answer;
END
$$
""",
    "cart_set_quantity_v1": """
-- Set a line's quantity, in one round trip. The same quantity again changes nothing.
CREATE FUNCTION cart_set_quantity_v1(
    p_customer_id text, p_product_id text, p_quantity integer, p_ttl interval, p_tags text []
) RETURNS cart_answer_v1
LANGUAGE plpgsql AS $$
DECLARE
    v_cart carts := cart_lock_v1(p_customer_id);
    v_refusal cart_answer_v1 := cart_refuses_tags_v1(v_cart, p_tags);
    v_quantity integer;
BEGIN
    IF v_refusal.outcome IS NOT NULL THEN
        RETURN v_refusal;
    END IF;
    SELECT quantity INTO v_quantity FROM cart_items
    WHERE cart_id = v_cart.id AND product_id = p_product_id;
    IF v_quantity IS NULL THEN
        RETURN ('item-not-found', NULL, NULL, NULL)::cart_answer_v1;
    ELSIF v_quantity = p_quantity THEN
        RETURN cart_done_v1(p_customer_id);
    END IF;
    UPDATE cart_items SET quantity = p_quantity
    WHERE cart_id = v_cart.id AND product_id = p_product_id;
    RETURN cart_changed_v1(v_cart, p_ttl);
END
$$
""",
    "cart_remove_item_v1": """
-- Remove a line, in one round trip.
CREATE FUNCTION cart_remove_item_v1(
    p_customer_id text, p_product_id text, p_ttl interval, p_tags text []
) RETURNS cart_answer_v1
LANGUAGE plpgsql AS $$
DECLARE
    v_cart carts := cart_lock_v1(p_customer_id);
    v_refusal cart_answer_v1 := cart_refuses_tags_v1(v_cart, p_tags);
BEGIN
    IF v_refusal.outcome IS NOT NULL THEN
        RETURN v_refusal;
    END IF;
    DELETE FROM cart_items WHERE cart_id = v_cart.id AND product_id = p_product_id;
    IF NOT found THEN
        RETURN ('item-not-found', NULL, NULL, NULL)::cart_answer_v1;
    END IF;
    RETURN cart_changed_v1(v_cart, p_ttl);
END
$$
""",
    "cart_clear_v1": """
-- Remove every line, in one round trip. An empty cart stays as it is.
CREATE FUNCTION cart_clear_v1(p_customer_id text, p_ttl interval, p_tags text [])
RETURNS cart_answer_v1
LANGUAGE plpgsql AS $$
DECLARE
    v_cart carts := cart_lock_v1(p_customer_id);
    v_refusal cart_answer_v1 := cart_refuses_tags_v1(v_cart, p_tags);
BEGIN
    IF v_refusal.outcome IS NOT NULL THEN
        RETURN v_refusal;
    END IF;
    DELETE FROM cart_items WHERE cart_id = v_cart.id;
    IF NOT found THEN
        RETURN ('done', cart_tag_v1(v_cart), NULL, NULL)::cart_answer_v1;
    END IF;
    RETURN cart_changed_v1(v_cart, p_ttl);
END
$$
""",
    "order_document_v1": """
-- The order as clients see it, prices with exactly the currency's decimals. NULL when unknown.
CREATE FUNCTION order_document_v1(p_order_id uuid) RETURNS json
LANGUAGE sql STABLE AS $$
    SELECT json_build_object(
        'order_id', o.id,
        'cart_id', o.cart_id,
        'customer_id', o.customer_id,
        'currency', o.currency,
        'items', (
            SELECT json_agg(
                json_build_object(
                    'line_no', i.line_no,
                    'product_id', i.product_id,
                    'name', i.name,
                    'unit_price', round(i.unit_price, o.currency_decimals)::text,
                    'quantity', i.quantity,
                    'line_total', round(i.line_total, o.currency_decimals)::text
                ) ORDER BY i.line_no
            )
            FROM order_items AS i
            WHERE i.order_id = o.id
        ),
        'item_count', o.item_count,
        'total', round(o.total, o.currency_decimals)::text,
        'created_at', o.created_at
    )
    FROM orders AS o
    WHERE o.id = p_order_id
$$
""",
    "cart_checkout_v1": """
-- Make the active cart an order, in one transaction: lock, read the lines inside the lock, copy
-- them with their prices. The cart row stays, and the next add opens a new one.
CREATE FUNCTION cart_checkout_v1(
    p_customer_id text, p_expected_total numeric, p_tags text []
) RETURNS cart_answer_v1
LANGUAGE plpgsql AS $$
DECLARE
    v_cart carts := cart_lock_v1(p_customer_id);
    v_refusal cart_answer_v1 := cart_refuses_tags_v1(v_cart, p_tags);
    v_total numeric;
    v_item_count bigint;
    v_order_id uuid;
BEGIN
    IF v_refusal.outcome IS NOT NULL THEN
        RETURN v_refusal;
    END IF;
    SELECT sum(unit_price * quantity), sum(quantity) INTO v_total, v_item_count
    FROM cart_items WHERE cart_id = v_cart.id;
    IF v_total IS NULL THEN
        RETURN ('cart-empty', NULL, NULL, json_build_object(
            'last_order_id', (
                SELECT id FROM orders WHERE customer_id = p_customer_id
                ORDER BY created_at DESC, id DESC LIMIT 1
            )
        ))::cart_answer_v1;
    ELSIF v_total <> p_expected_total THEN
        RETURN ('cart-changed', NULL, NULL, json_build_object(
            'current_total', round(v_total, v_cart.currency_decimals)::text,
            'currency', v_cart.currency
        ))::cart_answer_v1;
    END IF;

    INSERT INTO orders (
        id, cart_id, customer_id, currency, currency_decimals, item_count, total, created_at
    )
    VALUES (
        gen_random_uuid(), v_cart.id, p_customer_id, v_cart.currency, v_cart.currency_decimals,
        v_item_count, v_total, clock_timestamp()
    )
    ON CONFLICT (cart_id) DO NOTHING
    RETURNING id INTO v_order_id;
    IF v_order_id IS NULL THEN
        -- The database has an order for this cart already: that one is the answer.
        SELECT id INTO v_order_id FROM orders WHERE cart_id = v_cart.id;
    ELSE
        INSERT INTO order_items (
            order_id, line_no, product_id, name, unit_price, quantity, line_total
        )
        SELECT
            v_order_id, row_number() OVER (ORDER BY added_at, product_id),
            product_id, name, unit_price, quantity, unit_price * quantity
        FROM cart_items WHERE cart_id = v_cart.id;
    END IF;
    UPDATE carts
    SET status = 'checked_out', version = version + 1, updated_at = clock_timestamp()
    WHERE id = v_cart.id;
    RETURN (
        'done', 'empty', order_document_v1(v_order_id), json_build_object('order_id', v_order_id)
    )::cart_answer_v1;
END
$$
""",
}
