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
