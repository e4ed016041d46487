-- Open a cart for a customer who has none; all NULL when another transaction did so meanwhile.
CREATE FUNCTION cart_open_v1(p_customer_id text, p_ttl interval) RETURNS carts
LANGUAGE plpgsql AS $$
DECLARE
    v_cart carts;
BEGIN
    INSERT INTO carts (id, customer_id, status, version, created_at, updated_at, expires_at)
    VALUES (
        gen_random_uuid(), p_customer_id, 'active', 0,
        clock_timestamp(), clock_timestamp(), clock_timestamp() + p_ttl
    )
    ON CONFLICT (customer_id) WHERE status = 'active' DO NOTHING
    RETURNING * INTO v_cart;
    RETURN v_cart;
END
$$
