-- Make the active cart an order, in one transaction: lock, read the lines inside the lock, copy
-- them with their prices. The cart row stays, and the next add opens a new one.
CREATE FUNCTION cart_checkout_v1(
    p_customer_id text, p_expected_total numeric, p_tags text []
) RETURNS cart_answer_v1
LANGUAGE plpgsql AS $$
DECLARE
    v_cart carts := cart_lock_v1(p_customer_id);
    v_refusal cart_answer_v1 := cart_refuses_tags_v1(v_cart, p_tags);
    v_total numeric;
    v_item_count bigint;
    v_order_id uuid;
BEGIN
    IF v_refusal.outcome IS NOT NULL THEN
        RETURN v_refusal;
    END IF;
    SELECT sum(unit_price * quantity), sum(quantity) INTO v_total, v_item_count
    FROM cart_items WHERE cart_id = v_cart.id;
    IF v_total IS NULL THEN
        RETURN ('cart-empty', NULL, NULL, json_build_object(
            'last_order_id', (
                SELECT id FROM orders WHERE customer_id = p_customer_id
                ORDER BY created_at DESC, id DESC LIMIT 1
            )
        ))::cart_answer_v1;
    ELSIF v_total <> p_expected_total THEN
        RETURN ('cart-changed', NULL, NULL, json_build_object(
            'current_total', round(v_total, v_cart.currency_decimals)::text,
            'currency', v_cart.currency
        ))::cart_answer_v1;
    END IF;

    INSERT INTO orders (
        id, cart_id, customer_id, currency, currency_decimals, item_count, total, created_at
    )
    VALUES (
        gen_random_uuid(), v_cart.id, p_customer_id, v_cart.currency, v_cart.currency_decimals,
        v_item_count, v_total, clock_timestamp()
    )
    ON CONFLICT (cart_id) DO NOTHING
    RETURNING id INTO v_order_id;
    IF v_order_id IS NULL THEN
        -- The database has an order for this cart already: that one is the answer.
        SELECT id INTO v_order_id FROM orders WHERE cart_id = v_cart.id;
    ELSE
        INSERT INTO order_items (
            order_id, line_no, product_id, name, unit_price, quantity, line_total
        )
        SELECT
            v_order_id, row_number() OVER (ORDER BY added_at, product_id),
            product_id, name, unit_price, quantity, unit_price * quantity
        FROM cart_items WHERE cart_id = v_cart.id;
    END IF;
    UPDATE carts
    SET status = 'checked_out', version = version + 1, updated_at = clock_timestamp()
    WHERE id = v_cart.id;
    RETURN (
        'done', 'empty', order_document_v1(v_order_id), json_build_object('order_id', v_order_id)
    )::cart_answer_v1;
END
$$
