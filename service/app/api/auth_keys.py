"""The issuer's public keys: fetched seldom and beside the event loop, kept while it is away."""

import asyncio
import contextvars
import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import jwt
import structlog

from app import telemetry
from app.errors import IssuerUnavailable

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

ALGORITHMS = ("RS256", "ES256")

_REFRESH_SECONDS = 300.0
# A flood of made-up key ids is one fetch in this time, and a new key is known after it.
_FETCH_INTERVAL_SECONDS = 5.0
_SOCKET_TIMEOUT_SECONDS = 3.0
_FETCH_SECONDS = 6.0
_MAX_BYTES = 1 << 20

Keys = Mapping[str, jwt.PyJWK]
Document = dict[str, Any]


@dataclass(frozen=True)
class Issuer:
    """Where keys are published; without an address the issuer's own description names it."""

    name: str
    jwks_url: str | None = None

    def published(self) -> Document:
        """Fetch the key set (RFC 7517)."""
        return _fetched(self.jwks_url or self._discovered())

    def _discovered(self) -> str:
        # OpenID Connect Discovery 1.0, section 4.
        described = _fetched(f"{self.name.rstrip('/')}/.well-known/openid-configuration")
        url = described.get("jwks_uri")
        if described.get("issuer") != self.name or not isinstance(url, str):
            raise ValueError("the description is another issuer's, or names no jwks_uri")
        return url


class SigningKeys:
    """The keys as they were last fetched; its methods belong to one event loop."""

    def __init__(
        self,
        publish: Callable[[], Document],
        count: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.current: Keys = {}
        self._publish = publish
        self._count = count
        self._clock = clock
        # One thread: a fetch that hangs is waited for by all, and never a second one started.
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="issuer-keys")
        self._running: asyncio.Future[Document] | None = None
        self._document: Document | None = None
        self._tried_at = float("-inf")

    def refresh_when_old(self) -> None:
        """Fetch again after a while, without waiting: keys come, and are withdrawn."""
        if self._document is not None and self._clock() - self._tried_at >= _REFRESH_SECONDS:
            self._begin()

    async def find(self, key_id: str) -> jwt.PyJWK | None:
        """Return a key, fetching once in a while for one that is not known."""
        if key_id not in self.current:
            if self._clock() - self._tried_at >= _FETCH_INTERVAL_SECONDS:
                self._begin()
            if self._running is not None:
                await asyncio.wait({self._running}, timeout=_FETCH_SECONDS)
        if self._document is None:
            raise IssuerUnavailable("no keys have been fetched yet")
        return self.current.get(key_id)

    def close(self) -> None:
        """Let the thread end once its fetch does."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _begin(self) -> None:
        if self._running is not None:
            return
        self._tried_at = self._clock()
        # The fetch belongs to the trace of the request that needs it.
        publish = contextvars.copy_context().run
        loop = asyncio.get_running_loop()
        self._running = loop.run_in_executor(self._executor, publish, self._publish)
        self._running.add_done_callback(self._take)

    def _take(self, done: asyncio.Future[Document]) -> None:
        self._running = None
        if done.cancelled():
            return
        try:
            document = done.result()
            if document != self._document:
                self.current = usable_keys(document)
                self._document = document
        except (OSError, http.client.HTTPException, ValueError, jwt.PyJWTError) as error:
            self._count("failed")
            log.warning("issuer keys not fetched", reason=f"{type(error).__name__}: {error}")
        else:
            self._count("fetched")


def usable_keys(document: Document) -> Keys:
    """Return the keys of a set that may sign tokens, by id; a set without any is no set."""
    keys = {
        key.key_id: key
        for key in jwt.PyJWKSet.from_dict(document)
        if key.key_id and key.algorithm_name in ALGORITHMS and key.public_key_use in {None, "sig"}
    }
    if not keys:
        raise ValueError(f"the key set has no key for {' or '.join(ALGORITHMS)} with an id")
    return keys


def _fetched(url: str) -> Document:
    if not url.startswith(("https://", "http://")):
        raise ValueError("the address is neither https:// nor http://")
    headers = {"Accept": "application/json", "traceparent": telemetry.traceparent()}
    asked = urllib.request.Request(url, headers=headers)  # noqa: S310 - checked above
    try:
        with urllib.request.urlopen(asked, timeout=_SOCKET_TIMEOUT_SECONDS) as answer:  # noqa: S310 - as above
            body = _body(answer)
    except urllib.error.HTTPError as error:
        # It holds the connection.
        error.close()
        raise
    document = json.loads(body)
    if not isinstance(document, dict):
        raise ValueError("the answer is no JSON object")  # noqa: TRY004 - a value from outside
    return document


def _body(answer: http.client.HTTPResponse) -> bytes:
    # The socket's timeout alone would let an answer come byte by byte for days.
    ends_at = time.monotonic() + _FETCH_SECONDS
    body = bytearray()
    while part := answer.read1(1 << 16):
        body += part
        if len(body) > _MAX_BYTES or time.monotonic() > ends_at:
            raise ValueError(f"the answer is over {_MAX_BYTES} bytes or {_FETCH_SECONDS:g} s")
    return bytes(body)
