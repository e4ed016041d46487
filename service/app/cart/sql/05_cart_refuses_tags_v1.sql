-- The refusal when If-Match names other versions than this; NULL when the write may go on.
CREATE FUNCTION cart_refuses_tags_v1(p_cart carts, p_tags text []) RETURNS cart_answer_v1
LANGUAGE sql IMMUTABLE AS $$
    SELECT
        'precondition-failed', cart_tag_v1(p_cart), NULL::json,
        json_build_object('current_version', coalesce(p_cart.version, 0))
    WHERE NOT (
        cart_tag_v1(p_cart) = ANY (p_tags)
        OR ('*' = ANY (p_tags) AND p_cart.id IS NOT NULL)
    )
$$
