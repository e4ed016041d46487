-- What every function that writes answers: Python reads the outcome and the tag, and passes the
-- document on as PostgreSQL wrote it.
CREATE TYPE cart_answer_v1 AS (
    outcome text,  -- 'done', or the reason of a refusal
    tag text,  -- the cart's ETag after the call
    document json,  -- the cart or the order as clients see it
    facts json  -- what a refusal or a warning tells beside
)
