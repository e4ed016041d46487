"""Whose cart a customer may take over: one whose own token is shown, and nobody else's."""

import secrets
import time
from collections.abc import Iterator

import httpx2
import pytest
from starlette.testclient import TestClient

from app.api import auth_tokens
from tests.support import carts
from tests.support.carts import CARTS, ITEMS, problem_of
from tests.support.guarded import Guarded, guarded, shape


@pytest.fixture
def stage(migrated_url: str) -> Iterator[Guarded]:
    with guarded(migrated_url) as service:
        # It makes a weak key, which has to be there before the service fetches the keys.
        service.issuer.bad_tokens("somebody")
        yield service


def _customer() -> str:
    return f"customer-{secrets.token_hex(8)}"


def _filled(stage: Guarded) -> str:
    """Return a customer with a mug in the cart."""
    customer_id = _customer()
    line = {"product_id": "mug", "unit_price": "9.50", "currency": "EUR", "quantity": 1}
    add = {"customer_id": customer_id, **line}
    assert stage.client.post(ITEMS, json=add, headers=stage.service).status_code == 201
    return customer_id


def _merge(
    client: TestClient, target: str, source: str, token: str | None, headers: dict[str, str]
) -> httpx2.Response:
    shown = {} if token is None else {"source_token": token}
    body = {"source_customer_id": source, **shown}
    return client.post(f"{CARTS}/{target}/merge", json=body, headers=headers)


def _cart(stage: Guarded, customer_id: str) -> httpx2.Response:
    return stage.client.get(f"{CARTS}/{customer_id}", headers=stage.service)


def _insufficient(
    stage: Guarded, target: str, source: str
) -> Iterator[tuple[str, str | None, int]]:
    """What shows nothing about the source: its name, the token, and the status it gets."""
    yield "none", None, 404
    yield "the caller's own", stage.issuer.token(target), 404
    yield "another customer's", stage.issuer.token(f"{source}-2"), 404
    yield "the same in capitals", stage.issuer.token(source.upper()), 404
    for name, (_, token) in stage.issuer.bad_tokens(source).items():
        yield name, token, 401


@pytest.mark.parametrize("key", [{}, {"Idempotency-Key": "one"}], ids=["", "with a key"])
def test_cart_of_another_is_as_little_there_as_none(stage: Guarded, key: dict[str, str]) -> None:
    target, victim, nobody = _customer(), _filled(stage), _customer()
    headers = {**stage.bearer(target), **key}
    before = _cart(stage, victim).text

    def answers(source: str) -> dict[str, httpx2.Response]:
        return {
            f"{name} {status}": _merge(stage.client, target, source, token, headers)
            for name, token, status in _insufficient(stage, target, source)
        }

    theirs, of_none = answers(victim), answers(nobody)

    assert len(theirs) >= 20
    for name, answer in theirs.items():
        assert name.endswith(str(answer.status_code)), name
        assert shape(answer) == shape(of_none[name]), name
    assert _cart(stage, victim).text == before
    assert _cart(stage, target).json()["items"] == []


def test_refusal_says_that_the_source_token_is_bad(stage: Guarded) -> None:
    target, source = _customer(), _filled(stage)
    for name, (reason, token) in stage.issuer.bad_tokens(source).items():
        answer = _merge(stage.client, target, source, token, stage.bearer(target))
        detail = problem_of(answer, 401, "unauthenticated")["detail"]
        assert detail.startswith("source_token: the token "), name
        assert reason in detail, name


def test_key_replays_a_merge_whose_source_token_has_expired_meanwhile(
    stage: Guarded, migrated_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, source = _customer(), _filled(stage)
    token = stage.issuer.token(source, exp=int(time.time()) - 60)
    headers = {**stage.bearer(target), "Idempotency-Key": "one"}
    with monkeypatch.context() as earlier:
        earlier.setattr(auth_tokens, "_LEEWAY_SECONDS", 3600)
        first = _merge(stage.client, target, source, token, headers)
    assert first.status_code == 200

    # Another process: this one knows the token.
    settings = carts.settings_for(migrated_url, **stage.issuer.settings)
    with carts.running_client(settings) as client:
        second = _merge(client, target, source, token, headers)
        other_key = {**headers, "Idempotency-Key": "two"}
        problem_of(_merge(client, target, source, token, other_key), 401, "unauthenticated")

    assert second.headers["idempotent-replayed"] == "true"
    assert (second.status_code, second.content) == (200, first.content)
