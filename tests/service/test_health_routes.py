import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from starlette.testclient import TestClient

from app.api.health import Checks, DatabaseHealth
from tests.support import carts
from tests.support.carts import problem_of


@pytest.fixture
def nowhere() -> str:
    return "postgresql://nobody:nothing@127.0.0.1:1/none"


def test_health_says_what_it_checked(client: TestClient) -> None:
    answer = client.get("/health")
    assert answer.status_code == 200
    checks = {"database": "ok", "schema": "ok", "pool": "ok"}
    assert answer.json() == {"status": "ok", "checks": checks}


def test_health_fails_without_a_database(nowhere: str) -> None:
    with carts.running_client(carts.settings_for(nowhere)) as client:
        answer = client.get("/health")
        problem = problem_of(answer, 503, "unavailable")
        assert problem["checks"]["database"] == "unavailable"
        assert answer.headers["retry-after"] == "1"
        checks = {"database": "unavailable", "pool": "unavailable"}
        carts.wait_until(lambda: client.get("/health").json()["checks"] == checks)


def test_health_fails_while_no_request_gets_a_connection(own_url: str) -> None:
    chosen = carts.settings_for(own_url, db_pool_size=1, db_pool_timeout_seconds=9)
    with (
        carts.running_client(chosen) as client,
        ThreadPoolExecutor(2) as pool,
        carts.open_transaction(own_url) as holder,
    ):
        holder.exec_driver_sql("LOCK TABLE carts")
        waiting = [pool.submit(carts.new_shopper(client).add) for _ in range(2)]
        carts.wait_until(lambda: client.get("/health").status_code == 503)
        problem = problem_of(client.get("/health"), 503, "unavailable")
        assert problem["checks"] == {"database": "ok", "schema": "ok", "pool": "exhausted"}
        holder.rollback()
        assert [each.result().status_code for each in waiting] == [201, 201]
        assert client.get("/health").status_code == 200


def test_health_fails_before_the_migrations(empty_url: str) -> None:
    with carts.running_client(carts.settings_for(empty_url)) as client:
        problem = problem_of(client.get("/health"), 503, "unavailable")
    assert problem["checks"] == {"database": "ok", "schema": "not migrated", "pool": "ok"}


def test_readiness_and_liveness_ask_nobody(nowhere: str) -> None:
    with carts.running_client(carts.settings_for(nowhere)) as client:
        assert client.get("/health/ready").json() == {"status": "ok"}
        assert client.get("/health/live").json() == {"status": "ok"}


def test_draining_process_is_not_ready_but_alive_and_answers(migrated_url: str) -> None:
    with carts.running_client(carts.settings_for(migrated_url)) as client:
        carts.service_of(client).readiness.drain()
        answer = client.get("/health/ready")
        problem_of(answer, 503, "unavailable")
        assert answer.headers["retry-after"] == "1"
        assert client.get("/health/live").status_code == 200
        assert carts.new_shopper(client).add().status_code == 201


def test_hanging_database_is_told_within_its_time_and_recovers(own_url: str) -> None:
    settings = carts.settings_for(own_url, health_timeout_seconds=1)
    with carts.running_client(settings) as client:
        carts.wait_until(lambda: client.get("/health").status_code == 200)
        with carts.open_transaction(own_url) as holder:
            holder.exec_driver_sql("LOCK TABLE schema_compatibility")
            carts.wait_until(lambda: client.get("/health").status_code == 503)
            started = time.monotonic()
            # Sixteen at once: one check, one answer for all. A check for each would take sixteen
            # seconds.
            with ThreadPoolExecutor(16) as pool:
                answers = list(pool.map(lambda _: client.get("/health"), range(16)))
            assert {answer.json()["checks"]["database"] for answer in answers} == {"timeout"}
            assert time.monotonic() - started < 10
            assert client.get("/health/live").status_code == 200
        carts.wait_until(lambda: client.get("/health").status_code == 200)


def test_check_that_outlived_its_time_says_nothing_about_later() -> None:
    now, said = 0.0, "ok"
    is_released = threading.Event()

    def check() -> Checks:
        is_released.wait()
        return {"database": said}

    async def scenario() -> None:
        nonlocal now, said
        health = DatabaseHealth(check, 0.01, lambda: now)
        assert await health.checks() == {"database": "timeout"}
        is_released.set()
        assert health._running is not None  # noqa: SLF001 - nothing else shows that it has ended
        await asyncio.wait({health._running})  # noqa: SLF001 - as above
        said = "unavailable"
        now = 10.0
        # On a busy machine a thread may need longer than the check's time.
        while (found := await health.checks()) == {"database": "timeout"}:
            now += 1
        assert found == {"database": "unavailable"}
        health.close()

    asyncio.run(scenario())
