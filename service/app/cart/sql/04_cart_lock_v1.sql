-- The customer's active cart, locked until the transaction ends; all NULL when there is none.
-- A cart past its time is marked so here, and then counts as none.
CREATE FUNCTION cart_lock_v1(p_customer_id text) RETURNS carts
LANGUAGE plpgsql AS $$
DECLARE
    v_cart carts;
BEGIN
    SELECT * INTO v_cart FROM carts
    WHERE customer_id = p_customer_id AND status = 'active'
    FOR UPDATE;
    IF v_cart.expires_at <= clock_timestamp() THEN
        UPDATE carts SET status = 'expired', version = version + 1, updated_at = clock_timestamp()
        WHERE id = v_cart.id;
        RETURN NULL;
    END IF;
    RETURN v_cart;
END
$$
