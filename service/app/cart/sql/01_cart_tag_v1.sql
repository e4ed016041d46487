-- What the strong ETag of a cart holds; 'empty' means no active cart.
-- With casts, not as `uuid || text`: that is only stable, and the call would not become part of
-- the statement around it.
CREATE FUNCTION cart_tag_v1(p_cart carts) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE
        WHEN p_cart.id IS NULL THEN 'empty' ELSE p_cart.id::text || '.' || p_cart.version::text
    END
$$
