-- Add pieces of a product, in one round trip. The cart row is locked first, so that adds to one
-- cart follow each other; nothing is written before the last refusal.
-- p_currency NULL: the cart's own; a default gives way to it. p_price_decimals: how many the price
-- has, checked against the currency's.
CREATE FUNCTION cart_add_item_v1(
    p_customer_id text,
    p_product_id text,
    p_name text,
    p_unit_price numeric,
    p_price_decimals integer,
    p_currency text,
    p_currency_decimals integer,
    p_is_default_currency boolean,
    p_quantity integer,
    p_max_quantity integer,
    p_max_lines integer,
    p_ttl interval,
    p_tags text []
) RETURNS cart_answer_v1
LANGUAGE plpgsql AS $$
DECLARE
    v_cart carts;
    v_line cart_items;
    v_answer cart_answer_v1;
BEGIN
    LOOP
        v_cart := cart_lock_v1(p_customer_id);
        v_answer := cart_refuses_tags_v1(v_cart, p_tags);
        IF v_answer.outcome IS NOT NULL THEN
            RETURN v_answer;
        END IF;
        IF v_cart.currency IS NULL AND p_currency IS NULL THEN
            RETURN ('currency-needed', NULL, NULL, NULL)::cart_answer_v1;
        ELSIF v_cart.currency <> p_currency AND NOT p_is_default_currency THEN
            RETURN (
                'currency-mismatch', NULL, NULL, json_build_object('currency', v_cart.currency)
            )::cart_answer_v1;
        ELSIF p_price_decimals > coalesce(v_cart.currency_decimals, p_currency_decimals) THEN
            RETURN ('price-decimals', NULL, NULL, json_build_object(
                'currency', coalesce(v_cart.currency, p_currency),
                'decimals', coalesce(v_cart.currency_decimals, p_currency_decimals)
            ))::cart_answer_v1;
        END IF;
        EXIT WHEN v_cart.id IS NOT NULL;
        INSERT INTO carts (id, customer_id, status, version, created_at, updated_at, expires_at)
        VALUES (
            gen_random_uuid(), p_customer_id, 'active', 0,
            clock_timestamp(), clock_timestamp(), clock_timestamp() + p_ttl
        )
        ON CONFLICT (customer_id) WHERE status = 'active' DO NOTHING
        RETURNING * INTO v_cart;
        -- Another transaction made it meanwhile: lock that one.
        EXIT WHEN v_cart.id IS NOT NULL;
    END LOOP;

    SELECT * INTO v_line FROM cart_items
    WHERE cart_id = v_cart.id AND product_id = p_product_id;
    IF v_line.quantity + p_quantity > p_max_quantity THEN
        RETURN (
            'quantity-limit', NULL, NULL, json_build_object('quantity', v_line.quantity)
        )::cart_answer_v1;
    ELSIF v_line.cart_id IS NOT NULL THEN
        UPDATE cart_items
        SET quantity = quantity + p_quantity,
            unit_price = p_unit_price,
            name = coalesce(p_name, name)
        WHERE cart_id = v_cart.id AND product_id = p_product_id;
    ELSIF p_max_lines <= (SELECT count(*) FROM cart_items WHERE cart_id = v_cart.id) THEN
        RETURN ('line-limit', NULL, NULL, NULL)::cart_answer_v1;
    ELSE
        INSERT INTO cart_items (cart_id, product_id, name, unit_price, quantity, added_at)
        VALUES (v_cart.id, p_product_id, p_name, p_unit_price, p_quantity, clock_timestamp());
    END IF;
    -- One write of the row for all that changes in it.
    UPDATE carts
    SET version = version + 1,
        currency = coalesce(currency, p_currency),
        currency_decimals = coalesce(currency_decimals, p_currency_decimals),
        updated_at = clock_timestamp(),
        expires_at = clock_timestamp() + p_ttl
    WHERE id = v_cart.id;

    v_answer := cart_done_v1(p_customer_id);
    IF v_line.unit_price <> p_unit_price THEN
        v_answer.facts := json_build_object(
            'old_price', round(v_line.unit_price, v_cart.currency_decimals)::text
        );
    END IF;
    RETURN v_answer;
END
$$
