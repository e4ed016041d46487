"""An issuer of tokens on this machine: the product is measured with authentication on."""

import contextlib
import functools
import http.server
import json
import threading
import time
from collections.abc import Iterator, Mapping

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

_ADDRESS = "127.0.0.1"
_AUDIENCE = "carthub-bench"
_KEY_ID = "bench"
# The setting's default: a token with it acts for every customer.
_SERVICE_SCOPE = "carthub.service"
_DAY_SECONDS = 86_400


class Issuer:
    """Signs tokens; its public key is published at `/keys`."""

    def __init__(self, url: str, key: rsa.RSAPrivateKey) -> None:
        self._url = url
        self._key = key

    @property
    def environment(self) -> Mapping[str, str]:
        """What makes the product demand this issuer's tokens."""
        return {
            "AUTH_ISSUER": self._url,
            "AUTH_AUDIENCE": _AUDIENCE,
            "AUTH_JWKS_URL": f"{self._url}/keys",
        }

    @functools.cached_property
    def service_headers(self) -> Mapping[str, str]:
        """Return the headers of the shop's own backend, which acts for every customer."""
        return _bearer(self._token("shop", scope=_SERVICE_SCOPE))

    @functools.lru_cache(maxsize=100_000)  # noqa: B019 - it lives as long as the benchmark
    def customer_headers(self, customer_id: str) -> Mapping[str, str]:
        """Return the headers of a customer; signing takes most of a millisecond."""
        return _bearer(self._token(customer_id))

    def _token(self, subject: str, **claims: str) -> str:
        now = int(time.time())
        given = {"iss": self._url, "aud": _AUDIENCE, "sub": subject, "iat": now}
        return jwt.encode(
            {**given, "exp": now + _DAY_SECONDS, **claims}, self._key, "RS256", {"kid": _KEY_ID}
        )


@contextlib.contextmanager
def issuer() -> Iterator[Issuer]:
    """Lend an issuer on a free port."""
    key = rsa.generate_private_key(65537, 2048)
    published = json.dumps({"keys": [_public(key)]}).encode()

    class Handler(http.server.BaseHTTPRequestHandler):
        """Answers the keys, whatever is asked."""

        def do_GET(self) -> None:
            """Answer."""
            self.send_response(200)
            self.send_header("Content-Length", str(len(published)))
            self.end_headers()
            self.wfile.write(published)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer((_ADDRESS, 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield Issuer(f"http://{_ADDRESS}:{server.server_port}", key)
        finally:
            server.shutdown()
            thread.join()


def _public(key: rsa.RSAPrivateKey) -> dict[str, object]:
    published = jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return {**published, "kid": _KEY_ID, "use": "sig"}


def _bearer(token: str) -> Mapping[str, str]:
    return {"Authorization": f"Bearer {token}"}
