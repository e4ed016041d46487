-- Keep the answer under the key that this transaction has claimed.
CREATE FUNCTION idempotency_keep_v1(
    p_subject text,
    p_customer_id text,
    p_method text,
    p_path text,
    p_key text,
    p_status integer,
    p_headers json,
    p_body text
) RETURNS void
LANGUAGE sql AS $$
    UPDATE idempotency_keys
    SET response_status = p_status, response_headers = p_headers, response_body = p_body
    WHERE subject = p_subject AND customer_id = p_customer_id AND method = p_method
        AND path = p_path AND key = p_key
$$
