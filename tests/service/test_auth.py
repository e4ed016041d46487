from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from starlette.testclient import TestClient

from app import settings
from app.errors import InvalidSettings
from tests.support import carts
from tests.support.carts import problem_of
from tests.support.issuer import AUDIENCE, SERVICE_SCOPE, Issuer, running_issuer

_CART = f"{carts.CARTS}/somebody"


@pytest.fixture
def own_issuer() -> Iterator[Issuer]:
    with running_issuer() as running:
        yield running


@pytest.fixture
def guarded(migrated_url: str, own_issuer: Issuer) -> Iterator[TestClient]:
    with carts.running_client(carts.settings_for(migrated_url, **own_issuer.settings)) as client:
        yield client


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _status(client: TestClient, token: str, path: str = _CART) -> int:
    return client.get(path, headers=_bearer(token)).status_code


def test_owner_reads_their_own_empty_cart(guarded: TestClient, own_issuer: Issuer) -> None:
    answer = guarded.get(_CART, headers=_bearer(own_issuer.token()))
    assert (answer.status_code, answer.json()["version"]) == (200, 0)


def test_es256_is_accepted(guarded: TestClient, own_issuer: Issuer) -> None:
    own_issuer.keys["ec"] = ec.generate_private_key(ec.SECP256R1())
    assert _status(guarded, own_issuer.token(key_id="ec", algorithm="ES256")) == 200


@pytest.mark.parametrize(
    "claims",
    [
        {"scope": f"openid {SERVICE_SCOPE}"},
        {"scope": [SERVICE_SCOPE]},
        {"scp": f"{SERVICE_SCOPE} other"},
        {"scp": ["other", SERVICE_SCOPE]},
    ],
)
def test_service_scope_opens_every_cart(
    guarded: TestClient, own_issuer: Issuer, claims: Mapping[str, Any]
) -> None:
    assert _status(guarded, own_issuer.token("shop-front", **claims)) == 200


@pytest.mark.parametrize(
    "claims",
    [
        {"scope": f"{SERVICE_SCOPE}s"},
        {"scope": SERVICE_SCOPE.upper()},
        {"scp": {SERVICE_SCOPE: 1}},
        {"roles": [SERVICE_SCOPE]},
        {"scope": None},
    ],
)
def test_other_scopes_open_none(
    guarded: TestClient, own_issuer: Issuer, claims: Mapping[str, Any]
) -> None:
    assert _status(guarded, own_issuer.token("shop-front", **claims)) == 404


def test_audience_may_be_one_of_several(guarded: TestClient, own_issuer: Issuer) -> None:
    assert _status(guarded, own_issuer.token(aud=["other", AUDIENCE])) == 200


def test_request_without_a_token_is_told_what_to_bring(guarded: TestClient) -> None:
    answer = guarded.get(_CART)
    problem_of(answer, 401, "unauthenticated")
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "given",
    ["", "Bearer", "Bearer ", "Basic dTpw", "Bearer a.b", "Bearer é", "Bearer " + "[" * 9000],
)
def test_header_that_holds_no_token_is_refused(guarded: TestClient, given: str) -> None:
    answer = guarded.get(_CART, headers={b"Authorization": given.encode()})
    problem_of(answer, 401, "unauthenticated")


def test_two_tokens_are_none(guarded: TestClient, own_issuer: Issuer) -> None:
    header = ("Authorization", f"Bearer {own_issuer.token()}")
    problem_of(guarded.get(_CART, headers=[header, header]), 401, "unauthenticated")


def test_nothing_is_said_about_a_request_of_nobody(guarded: TestClient) -> None:
    answer = guarded.post(carts.ITEMS, content=b"{", headers={"content-type": "text/plain"})
    problem_of(answer, 401, "unauthenticated")


def test_bad_tokens_are_refused_with_their_reason(guarded: TestClient, own_issuer: Issuer) -> None:
    for name, (reason, token) in own_issuer.bad_tokens("somebody").items():
        problem = problem_of(guarded.get(_CART, headers=_bearer(token)), 401, "unauthenticated")
        assert reason in problem["detail"], name


def test_document_demands_the_token(guarded: TestClient) -> None:
    document = guarded.get("/openapi.json").json()
    assert document["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    for path, operations in document["paths"].items():
        for operation in operations.values():
            is_api = path.startswith("/api/")
            assert ("security" in operation) == is_api
            assert ({"401", "404"} <= set(operation["responses"])) == is_api


def test_what_is_no_operation_is_told_to_anybody(guarded: TestClient) -> None:
    problem_of(guarded.patch(_CART), 405, "method-not-allowed")
    problem_of(guarded.get("/api/v1/nothing"), 404, "route-not-found")


def test_probes_and_documentation_need_no_token(guarded: TestClient) -> None:
    for path in ("/", "/health", "/health/live", "/health/ready", "/docs", "/openapi.json"):
        assert guarded.get(path).status_code == 200


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"AUTH_ISSUER": "https://i"}, "AUTH_ISSUER is set without AUTH_AUDIENCE"),
        ({"AUTH_AUDIENCE": "a"}, "AUTH_AUDIENCE is set without AUTH_ISSUER"),
        ({"AUTH_ISSUER": "issuer", "AUTH_AUDIENCE": "a"}, "AUTH_ISSUER: "),
        ({"AUTH_JWKS_URL": "file:///etc/passwd"}, "AUTH_JWKS_URL: "),
    ],
)
def test_settings_that_do_not_go_together_are_named(
    monkeypatch: pytest.MonkeyPatch, given: Mapping[str, str], said: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:p@h/d")
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InvalidSettings, match=said):
        settings.load()
