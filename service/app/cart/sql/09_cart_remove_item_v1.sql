-- Remove a line, in one round trip.
CREATE FUNCTION cart_remove_item_v1(
    p_customer_id text, p_product_id text, p_ttl interval, p_tags text []
) RETURNS cart_answer_v1
LANGUAGE plpgsql AS $$
DECLARE
    v_cart carts := cart_lock_v1(p_customer_id);
    v_refusal cart_answer_v1 := cart_refuses_tags_v1(v_cart, p_tags);
BEGIN
    IF v_refusal.outcome IS NOT NULL THEN
        RETURN v_refusal;
    END IF;
    DELETE FROM cart_items WHERE cart_id = v_cart.id AND product_id = p_product_id;
    IF NOT found THEN
        RETURN ('item-not-found', NULL, NULL, NULL)::cart_answer_v1;
    END IF;
    RETURN cart_changed_v1(v_cart, p_ttl);
END
$$
