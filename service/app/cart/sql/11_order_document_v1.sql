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
