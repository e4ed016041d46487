"""An issuer of tokens on this machine: keys, an OpenID description, and every bad token."""

import base64
import contextlib
import hmac
import json
import threading
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.support import http_server

AUDIENCE = "carthub-test"
SERVICE_SCOPE = "carthub.service"
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


@cache
def rsa_key(name: str, bits: int = 2048) -> rsa.RSAPrivateKey:
    """Return a key, the same for the same name: making one takes a while."""
    del name
    return rsa.generate_private_key(65537, bits)


def public_jwk(key: PrivateKey, key_id: str, **members: str) -> dict[str, Any]:
    """Return the public half as issuers publish it."""
    public = key.public_key()
    if isinstance(public, rsa.RSAPublicKey):
        jwk = jwt.algorithms.RSAAlgorithm.to_jwk(public, as_dict=True)
        jwk.pop("key_ops", None)
    else:
        jwk = jwt.algorithms.ECAlgorithm.to_jwk(public, as_dict=True)
    return {**jwk, "kid": key_id, "use": "sig", **members}


def public_pem(key: PrivateKey) -> bytes:
    """Return the public half as a text, which naive verifiers took for an HMAC secret."""
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@dataclass
class Issuer:
    """A local issuer; `keys` is what it publishes, by key id."""

    address: str = ""
    keys: dict[str, PrivateKey] = field(default_factory=lambda: {"k1": rsa_key("k1")})
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    status: int = 200
    # Published at every path instead of what belongs there.
    nonsense: Any = None
    hold: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.hold.set()

    @property
    def key_fetches(self) -> int:
        """How often the keys were asked for."""
        return sum(path == "/keys" for path, _ in self.requests)

    def token(
        self,
        subject: object = "somebody",
        *,
        key_id: str = "k1",
        algorithm: str = "RS256",
        key: object = None,
        lacks: tuple[str, ...] = (),
        **changed: object,
    ) -> str:
        """Return a good token, unless something about it is changed or left out."""
        now = int(time.time())
        claims = {
            "iss": self.address,
            "aud": AUDIENCE,
            "sub": subject,
            "iat": now,
            "exp": now + 300,
            **changed,
        }
        claims = {name: value for name, value in claims.items() if name not in lacks}
        signing: Any = self.keys.get(key_id, rsa_key("foreign")) if key is None else key
        return jwt.encode(claims, signing, algorithm, {"kid": key_id})

    def bad_tokens(self, subject: str) -> dict[str, tuple[str, str]]:
        """Return every way in which a token can be wrong: what is said about it, and the token."""
        now = int(time.time())
        self.keys["weak"] = rsa_key("weak", 1024)
        with warnings.catch_warnings(action="ignore", category=jwt.InsecureKeyLengthWarning):
            weak = self.token(subject, key_id="weak")
        good = self.token(subject)
        return {
            "expired": ("has expired", self.token(subject, exp=now - 60)),
            "not yet": ("is not valid", self.token(subject, nbf=now + 3600)),
            "other audience": ("another audience", self.token(subject, aud="other")),
            "audience in capitals": ("another audience", self.token(subject, aud=["CARTHUB-TEST"])),
            "other issuer": ("another issuer", self.token(subject, iss=f"{self.address}/")),
            **{
                f"no {claim}": ("must have exp", self.token(subject, lacks=(claim,)))
                for claim in ("exp", "iss", "aud", "sub")
            },
            "exp is text": ("is not valid", self.token(subject, exp="soon")),
            "sub is a number": ("is not valid", self.token(17)),
            "unknown key": ("names no key", self.token(subject, key_id="unknown")),
            "foreign key": ("wrong signature", self.token(subject, key=rsa_key("foreign"))),
            "changed": ("wrong signature", f"{good[:-8]}AAAAAAAA"),
            "weak key": ("is not valid", weak),
            "RS512": ("must be signed with", self.token(subject, algorithm="RS512")),
            "none": ("must be signed with", self.token(subject, algorithm="none", key="")),
            "HS256 with the public key": (
                "must be signed with",
                _hmac_signed(good, public_pem(self.keys["k1"])),
            ),
        }

    def document(self, path: str) -> Any:
        """Return what is published at a path, None for nothing."""
        if self.nonsense is not None:
            return self.nonsense
        if path == "/keys":
            return {"keys": [public_jwk(key, key_id) for key_id, key in self.keys.items()]}
        if path == "/.well-known/openid-configuration":
            return {"issuer": self.address, "jwks_uri": f"{self.address}/keys"}
        return None

    @property
    def settings(self) -> dict[str, str]:
        """What makes the service believe this issuer."""
        return {"auth_issuer": self.address, "auth_audience": AUDIENCE}


def _hmac_signed(token: str, secret: bytes) -> str:
    # By hand: PyJWT does not take a public key for a secret.
    header = _encoded(json.dumps({"alg": "HS256", "typ": "JWT", "kid": "k1"}).encode())
    signed = f"{header}.{token.split('.')[1]}"
    return f"{signed}.{_encoded(hmac.digest(secret, signed.encode(), 'sha256'))}"


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@contextlib.contextmanager
def running_issuer() -> Iterator[Issuer]:
    """Lend an issuer that answers on the loopback interface."""
    issuer = Issuer()

    class Handler(http_server.Handler):
        def do_GET(self) -> None:
            issuer.requests.append((self.path, dict(self.headers.items())))
            issuer.hold.wait(30)
            document = issuer.document(self.path)
            with contextlib.suppress(ConnectionError):
                status = 404 if document is None else issuer.status
                self.answer(status, json.dumps(document).encode())

    with http_server.served(Handler) as port:
        issuer.address = f"http://127.0.0.1:{port}"
        try:
            yield issuer
        finally:
            issuer.hold.set()
