-- Move the lines of one customer's cart into another's, in one transaction. Both carts are locked
-- in the order of their customers, so that opposite merges follow each other.
-- p_strategy, for products in both: 'sum' adds the quantities at the target's price,
-- 'keep-target' leaves the target's line, 'use-source' takes the source's. p_tags: the target's.
-- The facts of a success are the prices that gave way: the source's with sum, the target's with
-- use-source.
CREATE FUNCTION cart_merge_v1(
    p_target_id text,
    p_source_id text,
    p_strategy text,
    p_max_quantity integer,
    p_max_lines integer,
    p_ttl interval,
    p_tags text []
) RETURNS cart_answer_v1
LANGUAGE plpgsql AS $$
DECLARE
    v_target carts;
    v_source carts;
    v_answer cart_answer_v1;
    v_found record;
BEGIN
    LOOP
        BEGIN
            IF p_target_id COLLATE "C" < p_source_id COLLATE "C" THEN
                v_target := cart_lock_v1(p_target_id);
                v_source := cart_lock_v1(p_source_id);
            ELSE
                v_source := cart_lock_v1(p_source_id);
                v_target := cart_lock_v1(p_target_id);
            END IF;
            v_answer := cart_refuses_tags_v1(v_target, p_tags);
            IF v_answer.outcome IS NOT NULL THEN
                RETURN v_answer;
            END IF;
            SELECT
                count(*) AS lines,
                count(*) FILTER (WHERE t.cart_id IS NULL) AS more,
                min(s.product_id) FILTER (
                    WHERE p_strategy = 'sum' AND t.quantity + s.quantity > p_max_quantity
                ) AS too_many,
                coalesce(bool_or(
                    t.cart_id IS NULL OR p_strategy = 'sum'
                    OR (p_strategy = 'use-source' AND (t.quantity, t.unit_price, t.name)
                        IS DISTINCT FROM (s.quantity, s.unit_price, coalesce(s.name, t.name)))
                ), false) AS is_change,
                json_agg(
                    json_build_object(
                        'product_id', s.product_id,
                        'old_price', round(
                            CASE p_strategy
                                WHEN 'use-source' THEN t.unit_price ELSE s.unit_price
                            END,
                            v_source.currency_decimals
                        )::text
                    ) ORDER BY s.added_at, s.product_id
                ) FILTER (
                    WHERE p_strategy <> 'keep-target' AND t.unit_price <> s.unit_price
                ) AS old_prices
            INTO v_found
            FROM cart_items AS s
            LEFT JOIN cart_items AS t ON t.cart_id = v_target.id AND t.product_id = s.product_id
            WHERE s.cart_id = v_source.id;

            IF v_found.lines = 0 THEN
                RETURN cart_done_v1(p_target_id);
            ELSIF v_target.currency <> v_source.currency THEN
                RETURN ('currency-mismatch', NULL, NULL, json_build_object(
                    'currency', v_target.currency, 'source_currency', v_source.currency
                ))::cart_answer_v1;
            ELSIF v_found.too_many IS NOT NULL THEN
                RETURN ('quantity-limit', NULL, NULL, json_build_object(
                    'product_id', v_found.too_many,
                    'quantity', (
                        SELECT quantity FROM cart_items
                        WHERE cart_id = v_target.id AND product_id = v_found.too_many
                    )
                ))::cart_answer_v1;
            ELSIF v_found.more > 0 AND p_max_lines
                < v_found.more + (SELECT count(*) FROM cart_items WHERE cart_id = v_target.id) THEN
                RETURN ('line-limit', NULL, NULL, NULL)::cart_answer_v1;
            END IF;
            EXIT WHEN v_target.id IS NOT NULL;
            v_target := cart_open_v1(p_target_id, p_ttl);
            EXIT WHEN v_target.id IS NOT NULL;
            RAISE serialization_failure;
        EXCEPTION
            WHEN serialization_failure THEN
                -- Somebody opened the target meanwhile. Looking again from here would hold the
                -- source before the target: the locks of this round are given back first.
                NULL;
        END;
    END LOOP;

    INSERT INTO cart_items AS t (cart_id, product_id, name, unit_price, quantity, added_at)
    SELECT v_target.id, s.product_id, s.name, s.unit_price, s.quantity, s.added_at
    FROM cart_items AS s
    WHERE s.cart_id = v_source.id
    ON CONFLICT (cart_id, product_id) DO UPDATE
    SET quantity = CASE p_strategy
            WHEN 'sum' THEN t.quantity + excluded.quantity
            WHEN 'use-source' THEN excluded.quantity
            ELSE t.quantity
        END,
        unit_price = CASE p_strategy
            WHEN 'use-source' THEN excluded.unit_price ELSE t.unit_price
        END,
        name = CASE p_strategy
            WHEN 'sum' THEN coalesce(t.name, excluded.name)
            WHEN 'use-source' THEN coalesce(excluded.name, t.name)
            ELSE t.name
        END;
    UPDATE carts SET currency = v_source.currency, currency_decimals = v_source.currency_decimals
    WHERE id = v_target.id AND currency IS NULL;
    UPDATE carts
    SET status = 'merged', version = version + 1, updated_at = clock_timestamp()
    WHERE id = v_source.id;
    IF NOT v_found.is_change THEN
        RETURN cart_done_v1(p_target_id);
    END IF;
    v_answer := cart_changed_v1(v_target, p_ttl);
    v_answer.facts := CASE
        WHEN v_found.old_prices IS NOT NULL
            THEN json_build_object('old_prices', v_found.old_prices)
    END;
    RETURN v_answer;
END
$$
