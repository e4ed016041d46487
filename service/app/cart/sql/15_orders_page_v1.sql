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
