"""What happens without a request: carts expire, and old idempotency keys are forgotten."""

import asyncio
from collections.abc import Callable

import pytest

from app.db.connections import Database
from app.db.workers import Workers
from app.housekeeping import Housekeeping
from app.telemetry import Metrics
from tests.support import carts


def _tidied(url: str) -> Metrics:
    """Do one round as the service does, and return what it counted."""
    settings, metrics = carts.settings_for(url), Metrics()

    async def once() -> None:
        database = Database(settings)
        workers = Workers(database, settings, lambda _seconds: None)
        try:
            await Housekeeping(database, workers, metrics).tidy()
        finally:
            await workers.close()
            database.close()

    asyncio.run(once())
    return metrics


def _statuses(url: str) -> list[str]:
    rows = carts.run_sql(url, "SELECT status FROM carts ORDER BY customer_id")
    return [status for (status,) in rows]


def _fill(url: str, customers: int, *, ttl: str) -> None:
    into = "carts (id, customer_id, status, version, created_at, updated_at, expires_at)"
    values = f"gen_random_uuid(), 'c' || n, 'active', 1, now(), now(), now() + interval '{ttl}'"
    carts.run_sql(url, f"INSERT INTO {into} SELECT {values} FROM generate_series(1, {customers}) n")  # noqa: S608 - of the test


def test_carts_past_their_time_expire_whatever_their_number(own_url: str) -> None:
    # More than two batches.
    _fill(own_url, 1100, ttl="-1 second")

    metrics = _tidied(own_url)

    assert set(_statuses(own_url)) == {"expired"}
    assert metrics.registry.get_sample_value("carthub_carts_expired_total") == 1100


def test_a_cart_in_its_time_stays(own_url: str) -> None:
    _fill(own_url, 1, ttl="1 hour")

    _tidied(own_url)

    assert _statuses(own_url) == ["active"]


def test_a_cart_that_is_being_checked_out_is_left(own_url: str) -> None:
    _fill(own_url, 2, ttl="-1 second")
    with carts.open_transaction(own_url) as held:
        held.exec_driver_sql("SELECT 1 FROM carts WHERE customer_id = 'c1' FOR UPDATE")

        _tidied(own_url)

        assert _statuses(own_url) == ["active", "expired"]


def test_keys_are_forgotten_after_two_days(own_url: str) -> None:
    with carts.running_client(carts.settings_for(own_url)) as client:
        shopper = carts.new_shopper(client)
        for hours in ("47", "49"):
            shopper.add(headers={"Idempotency-Key": hours})
    carts.run_sql(
        own_url, "UPDATE idempotency_keys SET created_at = now() - make_interval(hours => key::int)"
    )

    _tidied(own_url)

    assert carts.run_sql(own_url, "SELECT key FROM idempotency_keys") == [("47",)]


def test_a_second_process_leaves_the_work_to_the_first(own_url: str) -> None:
    _fill(own_url, 1, ttl="-1 second")
    with carts.open_transaction(own_url) as first:
        first.exec_driver_sql("SELECT pg_advisory_xact_lock(7224883102)")

        _tidied(own_url)

        assert _statuses(own_url) == ["active"]


@pytest.mark.parametrize(("seconds", "expected"), [(0.05, "expired"), (0, "active")])
def test_the_service_does_it_by_itself_unless_told_not_to(
    own_url: str, seconds: float, expected: str
) -> None:
    _fill(own_url, 1, ttl="-1 second")
    with carts.running_client(carts.settings_for(own_url, housekeeping_seconds=seconds)) as client:
        _wait_for(lambda: client.get("/health").status_code == 200)
        if expected == "expired":
            _wait_for(lambda: _statuses(own_url) == ["expired"])

    assert _statuses(own_url) == [expected]


def _wait_for(is_so: Callable[[], bool]) -> None:
    carts.wait_until(is_so)
