-- Mark up to p_most carts past their time as expired, those that nobody holds; how many they were.
CREATE FUNCTION carts_expire_v1(p_lock bigint, p_most integer) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    v_count integer;
BEGIN
    -- One process of all at a time; the others have nothing to do.
    IF NOT pg_try_advisory_xact_lock(p_lock) THEN
        RETURN 0;
    END IF;
    UPDATE carts AS c
    SET status = 'expired', version = c.version + 1, updated_at = clock_timestamp()
    FROM (
        SELECT id FROM carts
        WHERE status = 'active' AND expires_at <= clock_timestamp()
          -- The same once more, for the index.
          AND expires_on <= (clock_timestamp() AT TIME ZONE 'UTC')::date
        ORDER BY expires_on LIMIT p_most
        FOR UPDATE SKIP LOCKED
    ) AS past
    WHERE c.id = past.id;
    GET DIAGNOSTICS v_count = ROW_COUNT;
    RETURN v_count;
END
$$
