-- The answer of a call that is done: what GET would answer now.
CREATE FUNCTION cart_done_v1(p_customer_id text) RETURNS cart_answer_v1
LANGUAGE plpgsql AS $$
DECLARE
    v_answer cart_answer_v1 := ('done', 'empty', NULL, NULL);
BEGIN
    SELECT tag, document INTO v_answer.tag, v_answer.document
    FROM cart_read_v1(ARRAY[p_customer_id]);
    v_answer.tag := coalesce(v_answer.tag, 'empty');
    RETURN v_answer;
END
$$
