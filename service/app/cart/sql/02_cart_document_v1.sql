-- The cart as clients see it, prices with exactly the currency's decimals.
-- The columns come from the row that is passed in, the lines from the caller's snapshot.
CREATE FUNCTION cart_document_v1(p_cart carts) RETURNS json
LANGUAGE sql STABLE AS $$
    SELECT json_build_object(
        'cart_id', p_cart.id,
        'customer_id', p_cart.customer_id,
        'currency', p_cart.currency,
        'items', coalesce(
            json_agg(
                json_build_object(
                    'product_id', i.product_id,
                    'name', i.name,
                    'unit_price', round(i.unit_price, p_cart.currency_decimals)::text,
                    'quantity', i.quantity,
                    'line_total',
                    round(i.unit_price * i.quantity, p_cart.currency_decimals)::text
                ) ORDER BY i.added_at, i.product_id
            ),
            '[]'
        ),
        'item_count', coalesce(sum(i.quantity), 0),
        'line_count', count(*),
        'total',
        coalesce(round(sum(i.unit_price * i.quantity), p_cart.currency_decimals), 0)::text,
        'version', p_cart.version,
        'updated_at', p_cart.updated_at,
        'expires_at', p_cart.expires_at
    )
    FROM cart_items AS i
    WHERE i.cart_id = p_cart.id
$$
