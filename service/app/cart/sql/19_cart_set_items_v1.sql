-- Set several lines, in one round trip: all of them or none, and one version for all.
-- p_lines: [{index, product_id, quantity, name, unit_price, price_decimals}], each product once;
-- quantity 0 removes, a name or price left out stays as it is, and so does a line not named.
-- p_currency NULL: the cart's own; a default gives way to it.
-- The facts of a refusal name the index of its line, those of a success the prices before.
CREATE FUNCTION cart_set_items_v1(
    p_customer_id text,
    p_lines jsonb,
    p_currency text,
    p_currency_decimals integer,
    p_is_default_currency boolean,
    p_max_lines integer,
    p_ttl interval,
    p_tags text []
) RETURNS cart_answer_v1
LANGUAGE plpgsql AS $$
DECLARE
    v_cart carts;
    v_answer cart_answer_v1;
    v_currency text;
    v_decimals integer;
    v_found record;
BEGIN
    LOOP
        v_cart := cart_lock_v1(p_customer_id);
        v_answer := cart_refuses_tags_v1(v_cart, p_tags);
        IF v_answer.outcome IS NOT NULL THEN
            RETURN v_answer;
        END IF;
        v_currency := coalesce(v_cart.currency, p_currency);
        v_decimals := coalesce(v_cart.currency_decimals, p_currency_decimals);
        SELECT
            min(l.index) FILTER (
                WHERE l.quantity > 0 AND l.unit_price IS NULL AND i.cart_id IS NULL
            ) AS without_price,
            min(l.index) FILTER (WHERE l.price_decimals > v_decimals) AS too_fine,
            min(l.index) FILTER (WHERE l.quantity > 0) AS first_that_stays,
            count(*) FILTER (WHERE l.quantity > 0 AND i.cart_id IS NULL)
            - count(*) FILTER (WHERE l.quantity = 0 AND i.cart_id IS NOT NULL) AS more,
            coalesce(bool_or(
                CASE
                    WHEN i.cart_id IS NULL THEN l.quantity > 0
                    ELSE i.quantity <> l.quantity OR i.unit_price <> l.unit_price
                        OR i.name IS DISTINCT FROM coalesce(l.name, i.name)
                END
            ), false) AS is_change,
            json_agg(
                json_build_object(
                    'product_id', i.product_id,
                    'old_price', round(i.unit_price, v_decimals)::text
                ) ORDER BY l.index
            ) FILTER (WHERE l.quantity > 0 AND i.unit_price <> l.unit_price) AS old_prices
        INTO v_found
        FROM jsonb_to_recordset(p_lines) AS l (
            index integer, product_id text, quantity integer, name text,
            unit_price numeric, price_decimals integer
        )
        LEFT JOIN cart_items AS i ON i.cart_id = v_cart.id AND i.product_id = l.product_id;

        IF v_cart.currency <> p_currency AND NOT p_is_default_currency THEN
            RETURN (
                'currency-mismatch', NULL, NULL, json_build_object('currency', v_cart.currency)
            )::cart_answer_v1;
        ELSIF v_found.without_price IS NOT NULL THEN
            RETURN (
                'price-needed', NULL, NULL, json_build_object('index', v_found.without_price)
            )::cart_answer_v1;
        ELSIF v_found.first_that_stays IS NOT NULL AND v_currency IS NULL THEN
            RETURN (
                'currency-needed', NULL, NULL, json_build_object('index', v_found.first_that_stays)
            )::cart_answer_v1;
        ELSIF v_found.too_fine IS NOT NULL THEN
            RETURN ('price-decimals', NULL, NULL, json_build_object(
                'index', v_found.too_fine, 'currency', v_currency, 'decimals', v_decimals
            ))::cart_answer_v1;
        ELSIF v_found.more > 0 AND p_max_lines
            < v_found.more + (SELECT count(*) FROM cart_items WHERE cart_id = v_cart.id) THEN
            RETURN ('line-limit', NULL, NULL, NULL)::cart_answer_v1;
        ELSIF NOT v_found.is_change THEN
            RETURN cart_done_v1(p_customer_id);
        END IF;
        EXIT WHEN v_cart.id IS NOT NULL;
        v_cart := cart_open_v1(p_customer_id, p_ttl);
        -- Another transaction opened it meanwhile: look again.
        EXIT WHEN v_cart.id IS NOT NULL;
    END LOOP;

    DELETE FROM cart_items AS i
    USING jsonb_to_recordset(p_lines) AS l (product_id text, quantity integer)
    WHERE i.cart_id = v_cart.id AND i.product_id = l.product_id AND l.quantity = 0;
    INSERT INTO cart_items AS i (cart_id, product_id, name, unit_price, quantity, added_at)
    SELECT
        v_cart.id, l.product_id, l.name,
        coalesce(l.unit_price, known.unit_price), l.quantity,
        -- In the order in which they were named.
        clock_timestamp() + l.index * interval '1 microsecond'
    FROM jsonb_to_recordset(p_lines) AS l (
        index integer, product_id text, quantity integer, name text, unit_price numeric
    )
    LEFT JOIN cart_items AS known
        ON known.cart_id = v_cart.id AND known.product_id = l.product_id
    WHERE l.quantity > 0
    ON CONFLICT (cart_id, product_id) DO UPDATE
    SET quantity = excluded.quantity,
        unit_price = excluded.unit_price,
        name = coalesce(excluded.name, i.name);
    UPDATE carts SET currency = v_currency, currency_decimals = v_decimals
    WHERE id = v_cart.id AND currency IS NULL;

    v_answer := cart_changed_v1(v_cart, p_ttl);
    v_answer.facts := CASE
        WHEN v_found.old_prices IS NOT NULL
            THEN json_build_object('old_prices', v_found.old_prices)
    END;
    RETURN v_answer;
END
$$
