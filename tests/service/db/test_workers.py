import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from urllib.parse import urlsplit

import httpx2
import pytest
from starlette.testclient import TestClient

from app.db.sessions import Session
from app.errors import AnswerLost, DatabaseUnavailable, LoginRefused
from carthub_dev.tcp_proxy import TcpProxy
from tests.support import carts
from tests.support.carts import problem_of


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as started:
        yield started


@contextmanager
def _held_up(
    client: TestClient, url: str, pool: ThreadPoolExecutor
) -> Iterator[Future[httpx2.Response]]:
    """Lend an add that waits for a lock, and with it the only thread."""
    shopper = carts.new_shopper(client)
    # The thread may still be logging in, for longer than a request waits for it here.
    carts.wait_until(lambda: shopper.add().status_code == 201)
    with carts.open_transaction(url) as holder:
        holder.exec_driver_sql("SELECT 1 FROM carts FOR UPDATE")
        waiting = pool.submit(shopper.add)
        carts.wait_until(lambda: carts.metric(client, "carthub_db_pool_checked_out") == 1)
        yield waiting


def test_full_queue_refuses_at_once(own_url: str, pool: ThreadPoolExecutor) -> None:
    chosen = carts.settings_for(
        own_url,
        db_pool_size=1,
        db_queue_size=1,
        request_deadline_seconds=60,
        db_pool_timeout_seconds=60,
        db_statement_timeout_seconds=60,
    )
    with carts.running_client(chosen) as client:
        first, second = carts.new_shopper(client), carts.new_shopper(client)
        with _held_up(client, own_url, pool) as waiting:
            answers = [pool.submit(shopper.add) for shopper in (first, second)]
            carts.wait_until(lambda: any(answer.done() for answer in answers))
            refused = next(answer.result() for answer in answers if answer.done())
            assert "too many requests" in problem_of(refused, 503, "unavailable")["detail"]
            assert refused.headers["retry-after"] == "1"
            assert not all(answer.done() for answer in answers)
        assert waiting.result().status_code == 201
        assert sorted(answer.result().status_code for answer in answers) == [201, 503]


def test_request_that_waited_too_long_is_refused_and_never_runs(
    own_url: str, pool: ThreadPoolExecutor
) -> None:
    chosen = carts.settings_for(own_url, db_pool_size=1, db_pool_timeout_seconds=0.2)
    with carts.running_client(chosen) as client:
        shopper = carts.new_shopper(client)
        with _held_up(client, own_url, pool) as waiting:
            started = time.monotonic()
            problem_of(shopper.add(), 503, "unavailable")
            # Before its deadline, ten seconds.
            assert time.monotonic() - started < 8
        assert waiting.result().status_code == 201
        assert shopper.cart()["version"] == 0


def test_deadline_ends_every_request_and_frees_its_thread(
    own_url: str, pool: ThreadPoolExecutor
) -> None:
    # What the URL says wins: here PostgreSQL itself ends no statement.
    url = f"{own_url}?options=-c%20statement_timeout%3D0"
    chosen = carts.settings_for(
        url, db_pool_size=1, request_deadline_seconds=3, db_statement_timeout_seconds=3,
        db_connect_timeout_seconds=3,
    )  # fmt: skip
    with carts.running_client(chosen) as client:
        other = carts.new_shopper(client)
        with _held_up(client, own_url, pool) as waiting:
            queued = pool.submit(other.add)
            problem_of(waiting.result(), 504, "deadline-exceeded")
            # It had not begun: it can be sent again without a thought.
            problem_of(queued.result(), 503, "unavailable")
            assert client.get("/health/live").status_code == 200
            carts.wait_until(lambda: other.add().status_code == 201)
        assert other.cart()["version"] == 1


def test_gauges_count_connections(own_url: str, pool: ThreadPoolExecutor) -> None:
    with carts.running_client(carts.settings_for(own_url, db_pool_size=1)) as client:
        with _held_up(client, own_url, pool):
            assert carts.metric(client, "carthub_db_pool_size") == 1
            assert carts.metric(client, "carthub_db_pool_overflow") == 0
            # The health check has a connection of its own.
            assert client.get("/health").status_code == 200
            assert carts.metric(client, "carthub_db_pool_overflow") == 1
        carts.wait_until(lambda: carts.metric(client, "carthub_db_pool_checked_out") == 0)


def test_statement_that_breaks_every_connection_is_given_up(own_url: str) -> None:
    # Not by the clock: each try may have to log in.
    chosen = carts.settings_for(own_url, request_deadline_seconds=60, db_pool_timeout_seconds=60)
    with carts.running_client(chosen) as client:
        shopper = carts.new_shopper(client)
        shopper.add()
        carts.run_sql(own_url, "CREATE SEQUENCE tries")
        carts.run_sql(
            own_url,
            "CREATE OR REPLACE FUNCTION cart_tag_v1(p_cart carts) RETURNS text LANGUAGE plpgsql"
            " AS $$ BEGIN PERFORM nextval('tries'), pg_terminate_backend(pg_backend_pid());"
            " RETURN 'x'; END $$",
        )
        problem_of(client.get(shopper.path), 503, "unavailable")
        assert carts.run_sql(own_url, "SELECT last_value FROM tries") == [(carts.POOL_SIZE + 5,)]
        # Nobody else suffers from it for long.
        problem_of(
            client.get("/api/v1/orders/00000000-0000-4000-8000-000000000000"),
            404,
            "order-not-found",
        )


def test_few_lanes_try_to_log_in_on_behalf_of_all(
    own_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of them kept the event loop so busy that answers came after their deadline."""
    chosen = carts.settings_for(own_url, db_pool_size=16, housekeeping_seconds=0)
    tries: list[Session] = []

    def refused(session: Session) -> None:
        tries.append(session)
        raise LoginRefused("PostgreSQL does not answer: login refused")

    monkeypatch.setattr(Session, "open", refused)
    with carts.running_client(chosen) as client:
        carts.wait_until(lambda: len(tries) >= 12)
        # The first to fail, and the two that go on.
        assert len(set(tries)) <= 3
        monkeypatch.undo()
        shopper = carts.new_shopper(client)
        assert shopper.add().status_code == 201
        carts.wait_until(lambda: carts.metric(client, "carthub_db_pool_overflow") == 0)


_MAY_HAVE_HAPPENED = "a write may have happened"


@pytest.mark.parametrize(
    ("method", "headers", "last_words", "is_told"),
    [
        ("PUT", {}, b"EXECUTE cart_set_quantity", True),
        ("POST", {"Idempotency-Key": "one"}, b"COMMIT", True),
        ("GET", {}, b"EXECUTE cart_read", False),
    ],
    ids=["repeatable", "with a key", "read"],
)
def test_refusal_of_another_try_says_that_an_earlier_one_may_have_happened(
    own_url: str, method: str, headers: dict[str, str], last_words: bytes, *, is_told: bool
) -> None:
    place = urlsplit(own_url)
    assert place.hostname is not None
    assert place.port is not None
    proxy = TcpProxy((place.hostname, place.port)).start()

    def is_the_last(sent: bytes) -> bool:
        if last_words not in sent:
            return False
        # Nobody gets a connection any more.
        proxy.close()
        return True

    url = own_url.replace(f":{place.port}/", f":{proxy.port}/")
    chosen = carts.settings_for(url, db_pool_size=1, db_pool_timeout_seconds=0.5)
    with carts.running_client(chosen) as client:
        shopper = carts.new_shopper(client)
        carts.wait_until(lambda: shopper.add().status_code == 201)
        proxy.loses_reply_to = is_the_last
        if method == "POST":
            answer = shopper.add(headers=headers)
        elif method == "PUT":
            answer = client.put(shopper.item_path("mug"), json={"quantity": 7})
        else:
            answer = client.get(shopper.path)
        detail = problem_of(answer, 503, "unavailable")["detail"]
    assert (_MAY_HAVE_HAPPENED in detail) == is_told


@pytest.mark.parametrize("is_read", [False, True])
def test_failure_of_another_try_says_that_an_earlier_one_may_have_happened(
    migrated_url: str, *, is_read: bool
) -> None:
    tries = []

    def work() -> None:
        tries.append("one more")
        if len(tries) > 1:
            raise DatabaseUnavailable("PostgreSQL does not answer")
        with service.carts._database.connection() as connection:  # noqa: SLF001 - its session
            connection.exec_driver_sql("SELECT pg_terminate_backend(pg_backend_pid())")

    with carts.running_client(carts.settings_for(migrated_url)) as client:
        service = carts.service_of(client)
        run = service.run_read if is_read else service.run_repeatable
        assert client.portal is not None
        with pytest.raises(DatabaseUnavailable) as refused:
            client.portal.call(run, work)
    assert len(tries) == 2
    assert isinstance(refused.value, AnswerLost) != is_read
