-- One statement, one snapshot: the lines belong to the version. NULL without an active cart.
CREATE FUNCTION cart_read_v1(p_customer_id text) RETURNS json
LANGUAGE sql STABLE AS $$
    SELECT json_build_object('tag', cart_tag_v1(c), 'cart', cart_document_v1(c))
    FROM carts AS c
    WHERE c.customer_id = p_customer_id AND c.status = 'active' AND c.expires_at > now()
$$
