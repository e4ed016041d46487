-- Take an idempotency key for this transaction, or learn what it stands for already.
-- Another transaction with the same key is waited for, p_wait at most. 'new': do the work, then
-- idempotency_keep_v1 in the same transaction; 'kept': that was the answer; 'reused': the key
-- belongs to another request; 'in-flight': the first is still at work.
CREATE FUNCTION idempotency_claim_v1(
    p_subject text,
    p_customer_id text,
    p_method text,
    p_path text,
    p_key text,
    p_fingerprint bytea,
    p_wait interval,
    p_kept_for interval
) RETURNS TABLE (state text, status integer, headers json, body text)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    v_found idempotency_keys;
    v_lock_timeout text := current_setting('lock_timeout');
BEGIN
    PERFORM set_config('lock_timeout', (extract(epoch FROM p_wait) * 1000)::bigint || 'ms', true);
    LOOP
        INSERT INTO idempotency_keys (
            subject, customer_id, method, path, key, fingerprint, created_at
        )
        VALUES (
            p_subject, p_customer_id, p_method, p_path, p_key, p_fingerprint, clock_timestamp()
        )
        ON CONFLICT DO NOTHING;
        EXIT WHEN found;
        SELECT * INTO v_found FROM idempotency_keys AS i
        WHERE i.subject = p_subject AND i.customer_id = p_customer_id AND i.method = p_method
            AND i.path = p_path AND i.key = p_key;
        -- Gone meanwhile: try again.
        CONTINUE WHEN NOT found;
        IF v_found.created_at > clock_timestamp() - p_kept_for THEN
            EXIT;
        END IF;
        DELETE FROM idempotency_keys AS i
        WHERE i.subject = p_subject AND i.customer_id = p_customer_id AND i.method = p_method
            AND i.path = p_path AND i.key = p_key AND i.created_at = v_found.created_at;
        v_found := NULL;
    END LOOP;
    PERFORM set_config('lock_timeout', v_lock_timeout, true);
    RETURN QUERY SELECT
        CASE
            WHEN v_found.fingerprint IS NULL THEN 'new'
            WHEN v_found.fingerprint <> p_fingerprint THEN 'reused'
            ELSE 'kept'
        END,
        v_found.response_status, v_found.response_headers, v_found.response_body;
EXCEPTION
    WHEN lock_not_available THEN
        RETURN QUERY SELECT 'in-flight', NULL::integer, NULL::json, NULL::text;
END
$$
