-- Forget up to p_most answers older than p_kept_for; how many they were.
CREATE FUNCTION idempotency_purge_v1(
    p_lock bigint, p_most integer, p_kept_for interval
) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    v_count integer;
BEGIN
    IF NOT pg_try_advisory_xact_lock(p_lock) THEN
        RETURN 0;
    END IF;
    DELETE FROM idempotency_keys AS i
    USING (
        SELECT subject, customer_id, method, path, key FROM idempotency_keys
        WHERE created_at < clock_timestamp() - p_kept_for
        ORDER BY created_at LIMIT p_most
        FOR UPDATE SKIP LOCKED
    ) AS old
    WHERE (i.subject, i.customer_id, i.method, i.path, i.key)
        = (old.subject, old.customer_id, old.method, old.path, old.key);
    GET DIAGNOSTICS v_count = ROW_COUNT;
    RETURN v_count;
END
$$
