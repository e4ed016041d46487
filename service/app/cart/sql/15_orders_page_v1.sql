-- A customer's orders, youngest first, from after (p_created_at, p_id); NULL: from the youngest.
CREATE FUNCTION orders_page_v1(
    p_customer_id text, p_limit integer, p_created_at timestamptz, p_id uuid
) RETURNS TABLE (document json, created_at timestamptz, id uuid)
LANGUAGE sql STABLE AS $$
    SELECT order_document_v1(o.id), o.created_at, o.id
    FROM orders AS o
    WHERE o.customer_id = p_customer_id
        AND (p_created_at IS NULL OR (o.created_at, o.id) < (p_created_at, p_id))
    ORDER BY o.created_at DESC, o.id DESC
    LIMIT p_limit
$$
