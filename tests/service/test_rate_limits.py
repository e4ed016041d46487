import time

import pytest
from starlette.testclient import TestClient

from app.api.rate_limits import RateLimiter, network
from app.errors import RateLimited
from tests.support import carts, raw_http
from tests.support.carts import problem_of
from tests.support.issuer import SERVICE_SCOPE, running_issuer


class _Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def _taken(limiter: RateLimiter, key: str, times: int) -> int:
    """Return how many of so many requests at once are let through."""
    for done in range(times):
        try:
            limiter.take(key)
        except RateLimited:
            return done
    return times


@pytest.mark.parametrize("rate", ["7/second", "100/second", "3/minute", "1/hour"])
def test_share_of_a_period_may_be_used_at_once_and_not_more(rate: str) -> None:
    count = int(rate.partition("/")[0])
    clock = _Clock()
    limiter = RateLimiter(rate, clock)
    assert _taken(limiter, "a", count + 1) == count
    assert _taken(limiter, "b", count + 1) == count


def test_who_shares_one_rate() -> None:
    mapped = network("::ffff:10.0.0.1")
    assert mapped == network("10.0.0.1") != network("::ffff:10.0.0.2")
    assert network("2001:db8::1") == network("2001:db8::ffff%eth0") != network("2001:db8:0:1::1")
    # What a trusted proxy passes on need not be an address.
    assert network("a:b") == "a:b"


def test_share_comes_back_evenly() -> None:
    clock = _Clock()
    limiter = RateLimiter("10/second", clock)
    assert _taken(limiter, "a", 20) == 10
    clock.now += 0.3
    assert _taken(limiter, "a", 20) == 3
    clock.now += 60
    assert _taken(limiter, "a", 20) == 10


def test_refused_requests_cost_nothing() -> None:
    clock = _Clock()
    limiter = RateLimiter("2/second", clock)
    assert _taken(limiter, "a", 2) == 2
    for _ in range(100):
        assert _taken(limiter, "a", 1) == 0
    clock.now += 0.5
    assert _taken(limiter, "a", 1) == 1


def test_time_to_wait_is_told_in_whole_seconds() -> None:
    limiter = RateLimiter("1/minute", _Clock())
    limiter.take("a")
    with pytest.raises(RateLimited) as refused:
        limiter.take("a")
    assert refused.value.retry_after_seconds == 60


def test_callers_are_forgotten_when_they_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.api.rate_limits._CALLERS", 10)
    clock = _Clock()
    limiter = RateLimiter("1/second", clock)
    for number in range(9):
        limiter.take(f"old-{number}")
    clock.now += 0.5
    limiter.take("young")
    clock.now += 0.6
    limiter.take("new")
    # Those whose share is whole again are gone, the young one is not.
    assert _taken(limiter, "young", 1) == 0
    for number in range(30):
        limiter.take(f"flood-{number}")
        assert len(limiter._used_until) <= 10  # noqa: SLF001 - nothing else shows it


def test_flood_of_callers_costs_no_walk_for_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.api.rate_limits._CALLERS", 1000)
    walks: list[float] = []

    class Limiter(RateLimiter):
        def _forget(self, now: float) -> None:
            walks.append(now)
            super()._forget(now)

    limiter = Limiter("1/hour", _Clock())
    for number in range(2000):
        limiter.take(f"flood-{number}")
    assert len(walks) == 10


def test_caller_who_asks_too_often_is_told_when_to_come_back(migrated_url: str) -> None:
    settings = carts.settings_for(migrated_url, rate_limit="3/hour")
    with carts.running_client(settings) as client:
        shopper = carts.new_shopper(client)
        began_at = time.monotonic()
        for _ in range(3):
            shopper.cart()
        answer = shopper.add()
        problem_of(answer, 429, "rate-limited")
        seconds = time.monotonic() - began_at
        assert 1200 - seconds <= int(answer.headers["retry-after"]) <= 1200
        # Probes are not counted, and the document says what may be answered.
        assert client.get("/health/live").status_code == 200
        document = client.get("/openapi.json").json()
    for path, operations in document["paths"].items():
        for operation in operations.values():
            assert ("429" in operation["responses"]) == path.startswith("/api/")


def test_each_customer_has_a_share_and_services_have_no_limit(migrated_url: str) -> None:
    with running_issuer() as issuer:
        settings = carts.settings_for(migrated_url, rate_limit="2/hour", **issuer.settings)
        with carts.running_client(settings) as client:

            def statuses(customer: str, token: str) -> list[int]:
                headers = {"Authorization": f"Bearer {token}"}
                path = f"{carts.CARTS}/{customer}"
                return [client.get(path, headers=headers).status_code for _ in range(4)]

            assert statuses("a", issuer.token("a")) == [200, 200, 429, 429]
            # Another token of the same customer is the same caller.
            assert statuses("a", issuer.token("a", jti="2")) == [429] * 4
            assert statuses("b", issuer.token("b")) == [200, 200, 429, 429]
            service = issuer.token("shop-front", scope=SERVICE_SCOPE)
            assert statuses("a", service) == [200] * 4


@pytest.mark.parametrize(
    ("first", "second", "is_one"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("fe80::1%eth0", "fe80::2", True),
    ],
)
def test_addresses_of_one_household_share(first: str, second: str, *, is_one: bool) -> None:
    settings = carts.settings_for(raw_http.NO_DATABASE, rate_limit="1/hour")
    with carts.running_client(settings) as client:
        statuses = []
        for address in (first, second):
            asked = TestClient(client.app, client=(address, 1))
            asked.portal = client.portal
            statuses.append(asked.get("/api/v1/cart/a%01").status_code)
        assert statuses == ([422, 429] if is_one else [422, 422])
