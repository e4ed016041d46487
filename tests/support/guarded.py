"""A service that demands tokens, and what its callers show."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx2
from starlette.testclient import TestClient

from tests.support import carts
from tests.support.issuer import SERVICE_SCOPE, Issuer, running_issuer


@dataclass(frozen=True)
class Guarded:
    """A client, and the issuer whose tokens the service believes."""

    client: TestClient
    issuer: Issuer

    def bearer(self, subject: str, scope: str = "") -> dict[str, str]:
        """Return the headers of a caller."""
        return {"Authorization": f"Bearer {self.issuer.token(subject, scope=scope)}"}

    @property
    def service(self) -> dict[str, str]:
        """The headers of a caller who may act for every customer."""
        return self.bearer("shop-front", scope=SERVICE_SCOPE)


@contextlib.contextmanager
def guarded(url: str) -> Iterator[Guarded]:
    """Lend a service on a database, with an issuer of its own."""
    with running_issuer() as issuer:
        settings = carts.settings_for(url, **issuer.settings)
        with carts.running_client(settings) as client:
            yield Guarded(client, issuer)


def shape(answer: httpx2.Response) -> tuple[int, dict[str, str], dict[str, Any]]:
    """Return an answer without what names the request itself; the answer to HEAD has no body."""
    document: dict[str, Any] = {}
    if answer.request.method != "HEAD":
        document = answer.json()
        del document["instance"], document["trace_id"]
    headers = dict(answer.headers)
    del headers["content-length"], headers["traceresponse"]
    return answer.status_code, headers, document
