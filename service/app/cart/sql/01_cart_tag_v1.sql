-- What the strong ETag of a cart holds; 'empty' means no active cart.
CREATE FUNCTION cart_tag_v1(p_cart carts) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN p_cart.id IS NULL THEN 'empty' ELSE p_cart.id || '.' || p_cart.version END
$$
