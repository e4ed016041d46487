-- Count a change of a locked cart, prolong its life, and answer what GET would answer now.
CREATE FUNCTION cart_changed_v1(p_cart carts, p_ttl interval) RETURNS cart_answer_v1
LANGUAGE plpgsql AS $$
DECLARE
    -- Without lines a cart has no currency.
    v_has_lines boolean := EXISTS (SELECT FROM cart_items WHERE cart_id = p_cart.id);
BEGIN
    UPDATE carts
    SET version = version + 1,
        currency = CASE WHEN v_has_lines THEN currency END,
        currency_decimals = CASE WHEN v_has_lines THEN currency_decimals END,
        updated_at = clock_timestamp(),
        expires_at = clock_timestamp() + p_ttl
    WHERE id = p_cart.id;
    RETURN cart_done_v1(p_cart.customer_id);
END
$$
