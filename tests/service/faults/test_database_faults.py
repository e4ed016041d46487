"""What the service makes of a database that fails, in figures; docs/service.md has the table."""

import contextlib
import http.client
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg2
import pytest

from carthub_dev.database import DatabaseServer
from carthub_dev.logins import APP
from tests.support import carts
from tests.support.crowd import Crowd
from tests.support.proxy import Proxy
from tests.support.sizes import size

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]

_SLACK_SECONDS = 4.0

_LEAST_KILLED = 10
_END = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s"
_END_ONE = (
    "SELECT pg_terminate_backend(pid) FROM (SELECT pid FROM pg_stat_activity WHERE usename = %s"
    " ORDER BY state = 'active' DESC, random() LIMIT 1) AS busy"
)


def _environment(url: str, **chosen: str) -> dict[str, str]:
    # Adds of one customer are many here.
    limits = {"CART_MAX_QUANTITY": "1000000", "HOUSEKEEPING_SECONDS": "0"}
    return carts.service_environment(url, **{**limits, **chosen})


def _wait_for_answers(crowd: Crowd, more: int) -> None:
    enough = len(crowd.answers) + more
    carts.wait_until(lambda: len(crowd.answers) >= enough, 60)


def _sessions(server: DatabaseServer) -> int:
    rows = server.execute("SELECT 1 FROM pg_stat_activity WHERE usename = %s", [APP])
    return len(rows)


def _recovered(crowd: Crowd, since: float) -> float:
    """Return after how many seconds the first answer came that began after that moment."""
    carts.wait_until(
        lambda: any(answer.at > since and not answer.is_failed for answer in list(crowd.answers))
    )
    good = (a for a in list(crowd.answers) if a.at > since and not a.is_failed)
    return min(answer.at + answer.seconds for answer in good) - since


def test_crash_costs_an_idle_service_nothing(own_server: DatabaseServer, tmp_path: Path) -> None:
    with carts.served(_environment(own_server.url), tmp_path) as port:
        carts.wait_until(lambda: _sessions(own_server) >= carts.POOL_SIZE)
        own_server.stop("immediate")
        own_server.start()
        with Crowd(port, customers=4) as crowd:
            _wait_for_answers(crowd, 100)
        crowd.check_sums()
    print(f"crash, idle: {crowd.summary()}")  # noqa: T201 - the figure of the run
    assert crowd.failed == []


def test_crash_under_load_costs_adds_without_a_key_at_most(
    own_server: DatabaseServer, tmp_path: Path
) -> None:
    environment = _environment(own_server.url, DB_POOL_TIMEOUT_SECONDS="9")
    seconds = []
    with carts.served(environment, tmp_path) as port:
        with Crowd(port) as crowd:
            for _ in range(size(short=2, full=20)):
                _wait_for_answers(crowd, 200)
                own_server.stop("immediate")
                own_server.start()
                seconds.append(_recovered(crowd, time.monotonic()))
        crowd.check_sums()
    print(  # noqa: T201 - the figure of the run
        f"crash under load, {len(seconds)} times: {crowd.summary()},"
        f" recovered {max(seconds):.2f} s after PostgreSQL"
    )
    _check_that_only_adds_without_a_key_fail(crowd)


def test_session_killed_every_100_ms_costs_adds_without_a_key_at_most(
    own_server: DatabaseServer, tmp_path: Path
) -> None:
    with carts.served(_environment(own_server.url), tmp_path) as port:
        with Crowd(port) as crowd:
            killed = 0
            until = time.monotonic() + size(short=4, full=120)
            while time.monotonic() < until or killed <= _LEAST_KILLED:
                killed += len(own_server.execute(_END_ONE, [APP]))
                time.sleep(0.1)
        crowd.check_sums()
    print(f"{killed} sessions killed: {crowd.summary()}")  # noqa: T201 - the figure of the run
    _check_that_only_adds_without_a_key_fail(crowd)


def _check_that_only_adds_without_a_key_fail(crowd: Crowd) -> None:
    for answer in crowd.failed:
        assert (answer.kind, answer.status) == ("add", 503), answer
        assert answer.headers["retry-after"] == "1"


def test_demoted_primary_is_a_pause(own_server: DatabaseServer, tmp_path: Path) -> None:
    environment = _environment(own_server.url, DB_POOL_TIMEOUT_SECONDS="9")
    with carts.served(environment, tmp_path) as port:
        with Crowd(port) as crowd:
            _wait_for_answers(crowd, 200)
            own_server.execute("ALTER SYSTEM SET default_transaction_read_only = on")
            own_server.execute("SELECT pg_reload_conf()")
            time.sleep(1)
            own_server.execute("ALTER SYSTEM RESET default_transaction_read_only")
            own_server.execute("SELECT pg_reload_conf()")
            seconds = _recovered(crowd, time.monotonic())
            _wait_for_answers(crowd, 200)
        crowd.check_sums()
    print(  # noqa: T201 - the figure of the run
        f"demoted for 1 s: {crowd.summary()}, writes again after {seconds:.2f} s"
    )
    assert crowd.failed == []


@contextlib.contextmanager
def _all_sessions_taken(server: DatabaseServer) -> Iterator[None]:
    with contextlib.ExitStack() as held:
        with contextlib.suppress(psycopg2.OperationalError):
            while True:
                url = server.url.replace("+psycopg2", "")
                held.enter_context(contextlib.closing(psycopg2.connect(url)))
        yield


def test_without_a_free_session_requests_are_refused_at_once(
    own_server: DatabaseServer, tmp_path: Path
) -> None:
    environment = _environment(own_server.url)
    log = own_server.folder / "postgres.log"
    with _all_sessions_taken(own_server):
        before = log.read_text().count("FATAL")
        with carts.served(environment, tmp_path) as port:
            began = time.monotonic()
            with Crowd(port, customers=4, kinds=("get",)) as crowd, ThreadPoolExecutor(1) as own:
                _wait_for_answers(crowd, 300)
                tries = log.read_text().count("FATAL") - before
                seconds = time.monotonic() - began
                for session in own_server.execute(_END, [APP]):
                    assert session
                recovering = own.submit(_recovered, crowd, time.monotonic())
                recovering.result()
    refused = [answer for answer in crowd.failed if answer.status == 503]
    longest = max(answer.seconds for answer in refused)
    print(  # noqa: T201 - the figure of the run
        f"no session free: {len(refused)} refused, the longest after {longest:.2f} s,"
        f" {tries / seconds:.0f} connections tried a second"
    )
    assert len(refused) == len(crowd.failed)
    assert longest < 2
    # Eight threads that pause longer and longer, up to half a second.
    assert tries / seconds < 60


def test_database_that_swallows_everything_holds_no_request_beyond_its_deadline(
    own_server: DatabaseServer, tmp_path: Path
) -> None:
    hole_seconds = size(short=10, full=60)
    with Proxy(own_server.address, own_server.port) as proxy:
        url = own_server.url.replace(f":{own_server.port}/", f":{proxy.port}/")
        environment = _environment(
            url,
            REQUEST_DEADLINE_SECONDS="3",
            DB_CONNECT_TIMEOUT_SECONDS="2",
            DB_STATEMENT_TIMEOUT_SECONDS="2",
            DB_POOL_TIMEOUT_SECONDS="2",
        )
        with carts.served(environment, tmp_path) as port:
            crowd = Crowd(port, patience_seconds=hole_seconds + 30)
            with crowd, ThreadPoolExecutor(1) as prober:
                _wait_for_answers(crowd, 200)
                proxy.swallow()
                lives = prober.submit(_lives, port, hole_seconds)
                slowest = lives.result()
                proxy.forward()
                seconds = _recovered(crowd, time.monotonic())
                _wait_for_answers(crowd, 100)
            crowd.check_sums()
    longest = max(answer.seconds for answer in crowd.answers)
    print(  # noqa: T201 - the figure of the run
        f"blackhole: {crowd.summary()}, deadline 3 s, /health/live at most {slowest:.2f} s,"
        f" recovered after {seconds:.2f} s"
    )
    # Without a deadline it would be the whole time. A busy machine adds to the three seconds.
    assert longest < 3 + _SLACK_SECONDS < hole_seconds
    assert {answer.status for answer in crowd.failed} <= {503, 504}


def _lives(port: int, seconds: float) -> float:
    """Ask for liveness all the time, and return how long the slowest answer took."""
    slowest = 0.0
    until = time.monotonic() + seconds
    while (began := time.monotonic()) < until:
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port)) as client:
            client.request("GET", "/health/live")
            assert client.getresponse().status == 200
        slowest = max(slowest, time.monotonic() - began)
        time.sleep(0.02)
    return slowest
