-- The active carts of customers; no row for one without. One statement, one snapshot: the lines
-- belong to the version.
CREATE FUNCTION cart_read_v1(p_customer_ids text [])
RETURNS TABLE (customer_id text, tag text, document json)
LANGUAGE sql STABLE AS $$
    SELECT c.customer_id, cart_tag_v1(c), cart_document_v1(c)
    FROM carts AS c
    WHERE c.customer_id = ANY (p_customer_ids) AND c.status = 'active' AND c.expires_at > now()
$$
