-- The refusal when If-Match names other versions than this; NULL when the write may go on.
-- PL/pgSQL for its kept plan: most writes come without If-Match, and have nothing to plan then.
CREATE FUNCTION cart_refuses_tags_v1(p_cart carts, p_tags text []) RETURNS cart_answer_v1
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    IF p_tags IS NULL
        OR cart_tag_v1(p_cart) = ANY (p_tags)
        OR ('*' = ANY (p_tags) AND p_cart.id IS NOT NULL) THEN
        RETURN NULL;
    END IF;
    RETURN (
        'precondition-failed', cart_tag_v1(p_cart), NULL,
        json_build_object('current_version', coalesce(p_cart.version, 0))
    )::cart_answer_v1;
END
$$
