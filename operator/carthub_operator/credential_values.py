"""From what a secret holds to a complete way into the database, and back from our own Secret.

Pure. No message quotes a value.
"""

import base64
import binascii
import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from carthub_operator import compare
from carthub_operator.api import names
from carthub_operator.api.conditions import Reason
from carthub_operator.api.database import CredentialKeys, is_host
from carthub_operator.api.resource import CartService
from carthub_operator.desired.facts import (
    DEFAULT_DATABASE,
    DEFAULT_PORT,
    DatabaseCredentials,
)
from carthub_operator.errors import SecretError

_MAX_PORT = 65535


def complete(
    resource: CartService,
    fields: Mapping[str, object],
    *,
    version_id: str,
    previous: DatabaseCredentials | None,
    now: str,
) -> DatabaseCredentials:
    """Return the credentials; those before, version and all, where nothing in them changed.

    What the spec says of the database wins over the secret. Raises SecretError.
    """
    database = resource.spec.database
    keys = _keys(resource)
    host = database.host or _text(fields, keys.host, required=False)
    if not host:
        raise SecretError(
            Reason.SECRET_MALFORMED,
            f"neither spec.database.host nor the secret's key {keys.host!r} names the database's"
            " host",
        )
    if not is_host(host):
        raise SecretError(
            Reason.SECRET_MALFORMED,
            f"the secret's key {keys.host!r} must be a host name or an address alone: the port"
            f" belongs in {keys.port!r}",
        )
    found = DatabaseCredentials(
        username=_text(fields, keys.username),
        password=_text(fields, keys.password),
        host=host,
        port=database.port or _port(fields, keys.port),
        database=database.name or _text(fields, keys.dbname, required=False) or DEFAULT_DATABASE,
        version_id=version_id,
        changed_at=now,
        origin=origin(resource),
    )
    if previous is not None and previous.is_same_value(found):
        return replace(previous, origin=found.origin)
    return found


def origin(resource: CartService) -> str:
    """Return ten hexadecimal digits for all that the spec says of the credentials.

    A value that was made from another spec, or nobody knows from which, is not that of this one.
    """
    database = resource.spec.database
    refresh = {"refresh_interval"}
    source = database.credentials.model_dump_json(
        exclude={"check_login": True, "secrets_manager": refresh, "existing_secret": refresh},
        # A field that is new and unused says nothing.
        exclude_none=True,
    )
    text = repr((source, database.host, database.port, database.name))
    return hashlib.sha256(text.encode()).hexdigest()[:10]


_TOLD = (names.ANNOTATION_SECRET_VERSION, names.ANNOTATION_SECRET_CHANGED_AT)


def of_secret(live: Mapping[str, Any] | None) -> DatabaseCredentials | None:
    """Return what our own Secret holds, or None unless it is whole and as we wrote it."""
    if live is None:
        return None
    annotations = live["metadata"].get("annotations") or {}
    owned = compare.fields_of(live, names.FIELD_MANAGER)
    data = owned.get("f:data", {})
    told = owned.get("f:metadata", {}).get("f:annotations", {})
    if any(f"f:{key}" not in data for key in names.SECRET_ENV) or any(
        f"f:{name}" not in told for name in _TOLD
    ):
        return None
    try:
        values = decoded(live)
        return DatabaseCredentials(
            username=values[names.KEY_USERNAME],
            password=values[names.KEY_PASSWORD],
            host=values[names.KEY_PGHOST],
            port=int(values[names.KEY_PGPORT]),
            database=values[names.KEY_PGDATABASE],
            version_id=annotations[names.ANNOTATION_SECRET_VERSION],
            changed_at=annotations[names.ANNOTATION_SECRET_CHANGED_AT],
            origin=annotations.get(names.ANNOTATION_SECRET_ORIGIN, ""),
        )
    except (KeyError, ValueError, SecretError):
        return None


def handled_sync(live: Mapping[str, Any] | None) -> str | None:
    """Return the last value of the sync annotation that our own Secret was written for."""
    annotations = (live or {}).get("metadata", {}).get("annotations") or {}
    handled: str | None = annotations.get(names.ANNOTATION_SYNCED)
    return handled


def decoded(secret: Mapping[str, Any]) -> dict[str, str]:
    """Return the texts in a Secret of Kubernetes; raises SecretError for what is not text."""
    try:
        return {
            key: base64.b64decode(value or "", validate=True).decode()
            for key, value in (secret.get("data") or {}).items()
        }
    except (binascii.Error, UnicodeDecodeError):
        # The cause would quote the value.
        pass
    name = secret["metadata"]["name"]
    raise SecretError(Reason.SECRET_MALFORMED, f"Secret {name} holds something that is not text")


def _keys(resource: CartService) -> CredentialKeys:
    sources = resource.spec.database.credentials
    source = sources.secrets_manager or sources.existing_secret
    return source.keys if source else CredentialKeys()


def _text(fields: Mapping[str, object], key: str, *, required: bool = True) -> str:
    value = fields.get(key)
    if value is None and not required:
        return ""
    if not isinstance(value, str) or not value or not _is_storable(value):
        what = "is missing" if value is None else "is not a text, or an empty one"
        raise SecretError(Reason.SECRET_MALFORMED, f"the secret's key {key!r} {what}")
    return value


def _is_storable(text: str) -> bool:
    # JSON can carry half of a surrogate pair, which no encoding can; PostgreSQL takes no NUL.
    return "\0" not in text and not any("\ud800" <= letter <= "\udfff" for letter in text)


def _port(fields: Mapping[str, object], key: str) -> int:
    value = fields.get(key)
    if value is None:
        return DEFAULT_PORT
    text = str(value)
    if not text.isdecimal() or not 1 <= int(text) <= _MAX_PORT:
        raise SecretError(
            Reason.SECRET_MALFORMED, f"the secret's key {key!r} must be a port, 1 to {_MAX_PORT}"
        )
    return int(text)
