"""An Idempotency-Key is its caller's own: a customer and a service never meet over one cart."""

import json
import secrets
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from tests.support.carts import CARTS, CHECKOUT, ITEMS
from tests.support.guarded import Guarded, guarded

_LINE = {"product_id": "mug", "unit_price": "9.50", "currency": "EUR", "quantity": 1}


@pytest.fixture
def stage(migrated_url: str) -> Iterator[Guarded]:
    with guarded(migrated_url) as service:
        yield service


def _writes(stage: Guarded, customer_id: str) -> dict[str, tuple[str, str, dict[str, Any]]]:
    """Return every request that takes a key, by what it does."""
    named, cart = {"customer_id": customer_id}, f"{CARTS}/{customer_id}"
    guest = f"{customer_id}-guest"
    merge = {"source_customer_id": guest, "source_token": stage.issuer.token(guest)}
    return {
        "add": ("POST", ITEMS, {**named, **_LINE}),
        "set several": ("PUT", f"{cart}/items", {"items": [_LINE]}),
        "merge": ("POST", f"{cart}/merge", merge),
        "check out": ("POST", CHECKOUT, named),
    }


@pytest.mark.parametrize("what", ["add", "set several", "merge", "check out"])
def test_same_key_of_two_callers_is_two_keys(stage: Guarded, what: str) -> None:
    customer_id = f"customer-{secrets.token_hex(8)}"
    callers = (stage.bearer(customer_id), stage.service)
    method, path, body = _writes(stage, customer_id)[what]
    # The same bytes for both.
    content = json.dumps(body)

    def ask(caller: dict[str, str]) -> httpx2.Response:
        # Something to check out, each time.
        add = {"customer_id": customer_id, **_LINE}
        stage.client.post(ITEMS, json=add, headers=stage.service)
        headers = {**caller, "Idempotency-Key": "one", "Content-Type": "application/json"}
        return stage.client.request(method, path, content=content, headers=headers)

    firsts = [ask(caller) for caller in callers]
    seconds = [ask(caller) for caller in callers]

    for first, second in zip(firsts, seconds, strict=True):
        assert first.is_success
        assert "idempotent-replayed" not in first.headers
        assert second.headers["idempotent-replayed"] == "true"
        assert second.content == first.content
    assert firsts[0].content != firsts[1].content
