"""Tokens of the issuer (RFC 7519, RFC 9068): checked once each, then known until they expire."""

import hashlib
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import jwt

from app.api.auth import Caller
from app.api.auth_keys import ALGORITHMS, Keys
from app.errors import Unauthenticated

_LEEWAY_SECONDS = 30
_KNOWN_TOKENS = 10_000

_CLAIMS = ["exp", "iss", "aud", "sub"]
_DECODER = jwt.PyJWT({"enforce_minimum_key_length": True})
_REASONS: tuple[tuple[type[jwt.PyJWTError], str], ...] = (
    (jwt.ExpiredSignatureError, "has expired"),
    (jwt.InvalidAudienceError, "is for another audience"),
    (jwt.InvalidIssuerError, "is from another issuer"),
    (jwt.MissingRequiredClaimError, f"must have {', '.join(_CLAIMS)}"),
    (jwt.InvalidSignatureError, "has a wrong signature"),
)


class KeySource(Protocol):
    """What has the issuer's keys."""

    @property
    def current(self) -> Keys:
        """The keys of now; another object once they change."""

    def refresh_when_old(self) -> None:
        """See to it that withdrawn keys go."""

    async def find(self, key_id: str) -> jwt.PyJWK | None:
        """Return a key, None when the issuer has no such key."""

    def close(self) -> None:
        """Fetch nothing more."""


class Tokens:
    """The verifier of one issuer and audience."""

    def __init__(
        self,
        keys: KeySource,
        *,
        issuer: str,
        audience: str,
        service_scope: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self._service_scope = service_scope
        self._clock = clock
        self._known: dict[bytes, tuple[Caller, float]] = {}
        self._known_by = keys.current

    async def verify(self, token: str) -> Caller:
        """Return whose token it is, or raise Unauthenticated."""
        self._keys.refresh_when_old()
        self._forget_withdrawn()
        digest = hashlib.sha256(token.encode(errors="surrogatepass")).digest()
        known = self._known.get(digest)
        if known is not None and self._clock() < known[1]:
            return known[0]
        claims = await self._claims(token)
        caller = Caller(claims["sub"], is_service=self._service_scope in _scopes(claims))
        self._forget_withdrawn()
        if len(self._known) >= _KNOWN_TOKENS:
            self._known.pop(next(iter(self._known)))
        self._known[digest] = caller, int(claims["exp"]) + _LEEWAY_SECONDS
        return caller

    def _forget_withdrawn(self) -> None:
        if self._known_by is not self._keys.current:
            # A key may be gone, and its tokens with it.
            self._known.clear()
            self._known_by = self._keys.current

    def close(self) -> None:
        """Ask the issuer for nothing more."""
        self._keys.close()

    async def _claims(self, token: str) -> Mapping[str, Any]:
        try:
            header = jwt.get_unverified_header(token)
        except (jwt.PyJWTError, ValueError) as error:
            raise Unauthenticated("the token is no JSON Web Token") from error
        # Before a key is looked for: that may be a question to the issuer.
        if header.get("alg") not in ALGORITHMS:
            raise Unauthenticated(f"the token must be signed with {' or '.join(ALGORITHMS)}")
        key_id = header.get("kid")
        key = await self._keys.find(key_id) if isinstance(key_id, str) else None
        if key is None:
            raise Unauthenticated("the token names no key of the issuer")
        try:
            claims: Mapping[str, Any] = _DECODER.decode(
                token,
                key,
                [key.algorithm_name],
                options={"require": _CLAIMS},
                audience=self._audience,
                issuer=self._issuer,
                leeway=_LEEWAY_SECONDS,
            )
        except jwt.PyJWTError as error:
            raise Unauthenticated(f"the token {_reason(error)}") from error
        return claims


def _scopes(claims: Mapping[str, Any]) -> set[str]:
    # `scope` is RFC 8693's; `scp` is what Entra ID (a string) and Okta (a list) say instead.
    found: set[str] = set()
    for name in ("scope", "scp"):
        value = claims.get(name)
        if isinstance(value, str):
            value = value.split()
        if isinstance(value, list):
            found.update(map(str, value))
    return found


def _reason(error: jwt.PyJWTError) -> str:
    return next((text for kind, text in _REASONS if isinstance(error, kind)), "is not valid")
