import asyncio
import contextvars
import json
import secrets
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import jwt
import pytest

from app import telemetry
from app.api.auth import Caller
from app.api.auth_keys import Document, SigningKeys, usable_keys
from app.api.auth_keys import Issuer as IssuerAddress
from app.api.auth_tokens import Tokens
from app.errors import IssuerUnavailable, Unauthenticated
from tests.support import carts, issuer
from tests.support.carts import problem_of
from tests.support.issuer import AUDIENCE, SERVICE_SCOPE, Issuer, running_issuer


@pytest.fixture(scope="module")
def shared() -> Iterator[Issuer]:
    with running_issuer() as running:
        yield running


@pytest.fixture
def own(shared: Issuer) -> Iterator[Issuer]:
    """The issuer as it was new."""
    shared.keys = {"k1": issuer.rsa_key("k1")}
    shared.requests.clear()
    yield shared
    shared.status = 200
    shared.nonsense = None
    shared.hold.set()


class Desk:
    """Keys and tokens of an issuer, and a clock that a test moves."""

    def __init__(self, published: Callable[[], Document], address: str) -> None:
        self.now = 1000.0
        self.outcomes: Counter[str] = Counter()
        self._ended = asyncio.Event()
        self.keys = SigningKeys(published, self._count, lambda: self.now)
        self.tokens = Tokens(
            self.keys, issuer=address, audience=AUDIENCE, service_scope=SERVICE_SCOPE
        )

    async def accepts(self, token: str) -> bool:
        try:
            await self.tokens.verify(token)
        except Unauthenticated:
            return False
        return True

    async def fetched(self, times: int) -> None:
        """Wait until so many fetches have ended."""
        async with asyncio.timeout(20):
            while self.outcomes.total() < times:
                self._ended.clear()
                await self._ended.wait()

    def _count(self, outcome: str) -> None:
        self.outcomes[outcome] += 1
        self._ended.set()


def _desk(source: Issuer, jwks_url: str | None = None) -> Desk:
    return Desk(IssuerAddress(source.address, jwks_url).published, source.address)


def test_description_of_the_issuer_leads_to_its_keys(own: Issuer) -> None:
    desk = _desk(own)
    assert asyncio.run(desk.tokens.verify(own.token("s"))) == Caller("s")
    assert [path for path, _ in own.requests] == ["/.well-known/openid-configuration", "/keys"]


def test_address_of_the_keys_needs_no_description(own: Issuer) -> None:
    assert asyncio.run(_desk(own, f"{own.address}/keys").accepts(own.token()))
    assert [path for path, _ in own.requests] == ["/keys"]


def test_fetch_belongs_to_the_trace_of_the_request(own: Issuer) -> None:
    trace = secrets.token_hex(16)

    def request() -> None:
        telemetry.begin_trace(f"00-{trace}-{secrets.token_hex(8)}-01")
        assert asyncio.run(_desk(own).accepts(own.token()))

    contextvars.copy_context().run(request)
    for _, headers in own.requests:
        assert headers["Traceparent"].split("-")[1] == trace


def test_known_token_is_not_checked_again_until_it_expires(own: Issuer) -> None:
    desk = _desk(own)
    now = 0.0
    tokens = Tokens(
        desk.keys,
        issuer=own.address,
        audience=AUDIENCE,
        service_scope=SERVICE_SCOPE,
        clock=lambda: now,
    )
    token = own.token()
    expires = jwt.decode(token, options={"verify_signature": False})["exp"]
    checked: list[str] = []
    find = desk.keys.find

    async def counted(key_id: str) -> jwt.PyJWK | None:
        checked.append(key_id)
        return await find(key_id)

    desk.keys.find = counted  # type: ignore[method-assign] # a spy on the expensive part

    async def scenario() -> None:
        nonlocal now
        for moment in (expires - 300, expires, expires + 29):
            now = moment
            assert await tokens.verify(token) == Caller("somebody")
        assert checked == ["k1"]
        now = expires + 30
        await tokens.verify(token)
        assert checked == ["k1", "k1"]

    asyncio.run(scenario())


def test_remembered_tokens_are_bounded(own: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.api.auth_tokens._KNOWN_TOKENS", 3)
    desk = _desk(own)

    async def scenario() -> int:
        for number in range(5):
            assert await desk.accepts(own.token(str(number)))
        return len(desk.tokens._known)  # noqa: SLF001 - nothing else shows it

    assert asyncio.run(scenario()) == 3


def test_flood_of_unknown_keys_is_one_fetch(own: Issuer, record_property: Any) -> None:
    desk = _desk(own)
    bad = [own.token(key_id=f"unknown-{number}") for number in range(50)]

    async def scenario() -> None:
        assert await desk.accepts(own.token())
        desk.now += 60
        accepted = 0
        for _ in range(20):
            accepted += sum(await asyncio.gather(*(desk.accepts(token) for token in bad)))
            desk.now += 0.1
        assert accepted == 0
        assert desk.outcomes == {"fetched": 2}

    asyncio.run(scenario())
    record_property("tokens", 1000)
    record_property("fetches", own.key_fetches - 1)
    print(f"1000 tokens of unknown keys in 2 s: {own.key_fetches - 1} fetch, 0 accepted")  # noqa: T201 - the figures of the test
    assert own.key_fetches == 2


def test_new_key_is_known_at_once_after_a_while(own: Issuer) -> None:
    desk = _desk(own)

    async def scenario() -> None:
        assert await desk.accepts(own.token())
        own.keys["k2"] = issuer.rsa_key("k2")
        fresh = own.token(key_id="k2")
        assert not await desk.accepts(fresh)
        desk.now += 5
        assert await desk.accepts(fresh)

    asyncio.run(scenario())


def test_withdrawn_key_and_its_tokens_go(own: Issuer) -> None:
    desk = _desk(own)
    own.keys["k2"] = issuer.rsa_key("k2")
    good, withdrawn = own.token(key_id="k1"), own.token(key_id="k2")

    async def scenario() -> None:
        assert await desk.accepts(good)
        assert await desk.accepts(withdrawn)
        del own.keys["k2"]
        desk.now += 300
        # This one starts the fetch and does not wait for it.
        assert await desk.accepts(withdrawn)
        await desk.fetched(2)
        assert not await desk.accepts(withdrawn)
        assert await desk.accepts(good)

    asyncio.run(scenario())


def test_keys_outlive_their_issuer(own: Issuer) -> None:
    desk = _desk(own)

    async def scenario() -> None:
        assert await desk.accepts(own.token())
        own.status = 503
        for hours in range(1, 25):
            desk.now += 3600
            assert await desk.accepts(own.token())
            await desk.fetched(1 + hours)
        assert desk.outcomes == {"fetched": 1, "failed": 24}

    asyncio.run(scenario())


def test_keys_that_make_no_sense_change_nothing(own: Issuer) -> None:
    senseless: list[Document] = [
        {},
        {"keys": []},
        {"keys": 5},
        {"keys": [{"kty": "RSA", "kid": "k1"}]},
    ]
    documents: list[Document] = [{"keys": [issuer.public_jwk(own.keys["k1"], "k1")]}]
    desk = Desk(lambda: documents[-1], own.address)

    async def scenario() -> None:
        assert await desk.accepts(own.token())
        for document in senseless:
            documents.append(document)
            desk.now += 300
            assert await desk.accepts(own.token())
            await desk.fetched(len(documents))
            assert await desk.accepts(own.token())

    asyncio.run(scenario())
    assert desk.outcomes == {"fetched": 1, "failed": 4}


def test_keys_for_another_purpose_are_not_used() -> None:
    key = issuer.rsa_key("k1")
    secret = {"kty": "oct", "k": "c2VjcmV0", "kid": "hmac"}
    without_id = issuer.public_jwk(key, "none")
    del without_id["kid"]
    document = {
        "keys": [
            issuer.public_jwk(key, "good"),
            issuer.public_jwk(key, "encrypts", use="enc"),
            issuer.public_jwk(key, "longer", alg="RS512"),
            secret,
            without_id,
        ]
    }
    assert list(usable_keys(document)) == ["good"]


def test_hanging_issuer_holds_up_nobody_whose_key_is_known(own: Issuer) -> None:
    desk = _desk(own)

    async def scenario() -> None:
        assert await desk.accepts(own.token())
        own.hold.clear()
        desk.now += 300
        unknown = asyncio.create_task(desk.accepts(own.token(key_id="unknown")))
        for number in range(20):
            assert await desk.accepts(own.token(str(number)))
        assert not unknown.done()
        own.hold.set()
        assert not await unknown

    asyncio.run(scenario())


def test_issuer_that_never_answered_is_unavailable(own: Issuer) -> None:
    own.status = 500
    desk = _desk(own)

    async def scenario() -> None:
        for _ in range(3):
            with pytest.raises(IssuerUnavailable):
                await desk.tokens.verify(own.token())
        assert desk.outcomes == {"failed": 1}
        own.status = 200
        desk.now += 5
        assert await desk.accepts(own.token())

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "document",
    [
        [],
        {"issuer": "https://another.example", "jwks_uri": "https://another.example/keys"},
        {"issuer": "ISSUER"},
        {"issuer": "ISSUER", "jwks_uri": "file:///etc/passwd"},
        {"padding": "x" * (1 << 20)},
    ],
)
def test_description_that_is_none_leads_nowhere(own: Issuer, document: Any) -> None:
    own.nonsense = json.loads(json.dumps(document).replace("ISSUER", own.address))
    with pytest.raises(IssuerUnavailable):
        asyncio.run(_desk(own).tokens.verify(own.token()))
    assert own.key_fetches == 0


def test_service_without_keys_says_try_again(migrated_url: str, own: Issuer) -> None:
    own.status = 500
    with carts.running_client(carts.settings_for(migrated_url, **own.settings)) as client:
        headers = {"Authorization": f"Bearer {own.token()}"}
        answer = client.get(f"{carts.CARTS}/somebody", headers=headers)
        problem_of(answer, 503, "unavailable")
        assert answer.headers["retry-after"] == "1"
        metrics = client.get("/metrics").text
    assert 'carthub_auth_key_fetches_total{outcome="failed"} 1.0' in metrics
