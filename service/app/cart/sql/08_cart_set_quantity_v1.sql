-- Set a line's quantity, in one round trip. The same quantity again changes nothing.
CREATE FUNCTION cart_set_quantity_v1(
    p_customer_id text, p_product_id text, p_quantity integer, p_ttl interval, p_tags text []
) RETURNS cart_answer_v1
LANGUAGE plpgsql AS $$
DECLARE
    v_cart carts := cart_lock_v1(p_customer_id);
    v_refusal cart_answer_v1 := cart_refuses_tags_v1(v_cart, p_tags);
    v_quantity integer;
BEGIN
    IF v_refusal.outcome IS NOT NULL THEN
        RETURN v_refusal;
    END IF;
    SELECT quantity INTO v_quantity FROM cart_items
    WHERE cart_id = v_cart.id AND product_id = p_product_id;
    IF v_quantity IS NULL THEN
        RETURN ('item-not-found', NULL, NULL, NULL)::cart_answer_v1;
    ELSIF v_quantity = p_quantity THEN
        RETURN cart_done_v1(p_customer_id);
    END IF;
    UPDATE cart_items SET quantity = p_quantity
    WHERE cart_id = v_cart.id AND product_id = p_product_id;
    RETURN cart_changed_v1(v_cart, p_ttl);
END
$$
