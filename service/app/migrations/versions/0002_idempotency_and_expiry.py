"""Idempotency keys, the page of orders, and what expires.

Revision: 0002
Adds only: an image of 0001 runs on it. The functions are copies of app/cart/sql.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table and the functions, and say that this schema serves both images."""
    op.create_table(
        "idempotency_keys",
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("customer_id", sa.Text, nullable=False),
        sa.Column("method", sa.Text, nullable=False),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("fingerprint", sa.LargeBinary, nullable=False),
        sa.Column("response_status", sa.Integer),
        sa.Column("response_headers", sa.JSON),
        sa.Column("response_body", sa.Text),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint(
            "subject", "customer_id", "method", "path", "key", name="pk_idempotency_keys"
        ),
    )
    op.create_index("ix_idempotency_keys_created_at", "idempotency_keys", ["created_at"])
    for statement in FUNCTIONS.values():
        # Not by way of text(): a colon would be a parameter.
        op.get_bind().exec_driver_sql(statement)
    op.execute("INSERT INTO schema_compatibility (revision) VALUES ('0002')")


def downgrade() -> None:
    """Drop them again; keys are forgotten, so retries from before count as new."""
    op.execute("DELETE FROM schema_compatibility WHERE revision = '0002'")
    for name in reversed(FUNCTIONS):
        op.execute(f"DROP FUNCTION {name}")
    op.drop_table("idempotency_keys")


FUNCTIONS = {
    "idempotency_claim_v1": """
-- Take an idempotency key for this transaction, or learn what it stands for already.
-- Another transaction with the same key is waited for, p_wait at most. 'new': do the work, then
-- idempotency_keep_v1 in the same transaction; 'kept': that was the answer; 'reused': the key
-- belongs to another request; 'in-flight': the first is still at work.
CREATE FUNCTION idempotency_claim_v1(
    p_subject text,
    p_customer_id text,
    p_method text,
    p_path text,
    p_key text,
    p_fingerprint bytea,
    p_wait interval,
    p_kept_for interval
) RETURNS TABLE (state text, status integer, headers json, body text)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    v_found idempotency_keys;
    v_lock_timeout text := current_setting('lock_timeout');
BEGIN
    PERFORM set_config('lock_timeout', (extract(epoch FROM p_wait) * 1000)::bigint || 'ms', true);
    LOOP
        INSERT INTO idempotency_keys (
            subject, customer_id, method, path, key, fingerprint, created_at
        )
        VALUES (
            p_subject, p_customer_id, p_method, p_path, p_key, p_fingerprint, clock_timestamp()
        )
        ON CONFLICT DO NOTHING;
        EXIT WHEN found;
        SELECT * INTO v_found FROM idempotency_keys AS i
        WHERE i.subject = p_subject AND i.customer_id = p_customer_id AND i.method = p_method
            AND i.path = p_path AND i.key = p_key;
        -- Gone meanwhile: try again.
        CONTINUE WHEN NOT found;
        IF v_found.created_at > clock_timestamp() - p_kept_for THEN
            EXIT;
        END IF;
        DELETE FROM idempotency_keys AS i
        WHERE i.subject = p_subject AND i.customer_id = p_customer_id AND i.method = p_method
            AND i.path = p_path AND i.key = p_key AND i.created_at = v_found.created_at;
        v_found := NULL;
    END LOOP;
    PERFORM set_config('lock_timeout', v_lock_timeout, true);
    RETURN QUERY SELECT
        CASE
            WHEN v_found.fingerprint IS NULL THEN 'new'
            WHEN v_found.fingerprint <> p_fingerprint THEN 'reused'
            ELSE 'kept'
        END,
        v_found.response_status, v_found.response_headers, v_found.response_body;
EXCEPTION
    WHEN lock_not_available THEN
        RETURN QUERY SELECT 'in-flight', NULL::integer, NULL::json, NULL::text;
END
$$
""",
    "idempotency_keep_v1": """
-- Keep the answer under the key that this transaction has claimed.
CREATE FUNCTION idempotency_keep_v1(
    p_subject text,
    p_customer_id text,
    p_method text,
    p_path text,
    p_key text,
    p_status integer,
    p_headers json,
    p_body text
) RETURNS void
LANGUAGE sql AS $$
    UPDATE idempotency_keys
    SET response_status = p_status, response_headers = p_headers, response_body = p_body
    WHERE subject = p_subject AND customer_id = p_customer_id AND method = p_method
        AND path = p_path AND key = p_key
$$
""",
    "orders_page_v1": """
-- A customer's orders, youngest first, from after (p_created_at, p_id); NULL: from the youngest.
-- Once there are p_most_lines lines, those that follow are named only: their documents are NULL.
CREATE FUNCTION orders_page_v1(
    p_customer_id text,
    p_limit integer,
    p_most_lines integer,
    p_created_at timestamptz,
    p_id uuid
) RETURNS TABLE (document json, created_at timestamptz, id uuid)
LANGUAGE sql STABLE AS $$
    SELECT
        CASE WHEN p.lines_before < p_most_lines THEN order_document_v1(p.id) END,
        p.created_at,
        p.id
    FROM (
        SELECT o.created_at, o.id, coalesce(
            sum((SELECT count(*) FROM order_items AS i WHERE i.order_id = o.id)) OVER (
                ORDER BY o.created_at DESC, o.id DESC
                ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
            ), 0
        ) AS lines_before
        FROM (
            SELECT f.created_at, f.id
            FROM orders AS f
            WHERE f.customer_id = p_customer_id
                AND (p_created_at IS NULL OR (f.created_at, f.id) < (p_created_at, p_id))
            ORDER BY f.created_at DESC, f.id DESC
            LIMIT p_limit
        ) AS o
    ) AS p
    ORDER BY p.created_at DESC, p.id DESC
$$
""",
    "carts_expire_v1": """
-- Mark up to p_most carts past their time as expired, those that nobody holds; how many they were.
CREATE FUNCTION carts_expire_v1(p_lock bigint, p_most integer) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    v_count integer;
BEGIN
    -- One process of all at a time; the others have nothing to do.
    IF NOT pg_try_advisory_xact_lock(p_lock) THEN
        RETURN 0;
    END IF;
    UPDATE carts AS c
    SET status = 'expired', version = c.version + 1, updated_at = clock_timestamp()
    FROM (
        SELECT id FROM carts
        WHERE status = 'active' AND expires_at <= clock_timestamp()
          -- The same once more, for the index.
          AND expires_on <= (clock_timestamp() AT TIME ZONE 'UTC')::date
        ORDER BY expires_on LIMIT p_most
        FOR UPDATE SKIP LOCKED
    ) AS past
    WHERE c.id = past.id;
    GET DIAGNOSTICS v_count = ROW_COUNT;
    RETURN v_count;
END
$$
""",
    "idempotency_purge_v1": """
-- Forget up to p_most answers older than p_kept_for; how many they were.
CREATE FUNCTION idempotency_purge_v1(
    p_lock bigint, p_most integer, p_kept_for interval
) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    v_count integer;
BEGIN
    IF NOT pg_try_advisory_xact_lock(p_lock) THEN
        RETURN 0;
    END IF;
    DELETE FROM idempotency_keys AS i
    USING (
        SELECT subject, customer_id, method, path, key FROM idempotency_keys
        WHERE created_at < clock_timestamp() - p_kept_for
        ORDER BY created_at LIMIT p_most
        FOR UPDATE SKIP LOCKED
    ) AS old
    WHERE (i.subject, i.customer_id, i.method, i.path, i.key)
        = (old.subject, old.customer_id, old.method, old.path, old.key);
    GET DIAGNOSTICS v_count = ROW_COUNT;
    RETURN v_count;
END
$$
""",
}
