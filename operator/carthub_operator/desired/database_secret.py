"""The Secret with the database credentials, which pods mount as files."""

import base64

from carthub_operator.api import names
from carthub_operator.api.resource import CartService
from carthub_operator.desired.facts import DatabaseCredentials, Manifest, ssl_mode


def database_secret(
    resource: CartService,
    credentials: DatabaseCredentials,
    *,
    synced: str | None,
    in_use: Manifest | None = None,
) -> Manifest:
    """Return the Secret; the PG* keys make `psql` work in a pod.

    `synced` is the value of the sync annotation that was carried out last. What is in use stays
    as it is until the other database is migrated: running pods read it for each connection.
    """
    mode = ssl_mode(resource)
    values = {
        names.KEY_DATABASE_URL: credentials.url(mode),
        names.KEY_USERNAME: credentials.username,
        names.KEY_PASSWORD: credentials.password,
        names.KEY_PGHOST: credentials.host,
        names.KEY_PGPORT: str(credentials.port),
        names.KEY_PGDATABASE: credentials.database,
        names.KEY_PGUSER: credentials.username,
        names.KEY_PGPASSWORD: credentials.password,
        names.KEY_PGSSLMODE: mode,
    }
    data = {key: base64.b64encode(text.encode()).decode() for key, text in values.items()}
    annotations = {
        names.ANNOTATION_SECRET_VERSION: credentials.version_id,
        names.ANNOTATION_SECRET_CHANGED_AT: credentials.changed_at,
        names.ANNOTATION_SECRET_ORIGIN: credentials.origin,
    }
    if in_use is not None:
        ahead = {names.MIGRATION_PREFIX + key: text for key, text in data.items()}
        data = {key: in_use["data"][key] for key in data} | ahead
        before = in_use["metadata"]["annotations"]
        annotations = {key: before.get(key, "") for key in annotations}
    if synced is not None:
        annotations[names.ANNOTATION_SYNCED] = synced
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            **resource.metadata(names.database_secret(resource.name)),
            "annotations": annotations,
        },
        "type": "Opaque",
        "data": data,
    }


def port_in(secret: Manifest) -> int:
    """Return the port of the database that a Secret of ours leads to."""
    return int(base64.b64decode(secret["data"][names.KEY_PGPORT]))
