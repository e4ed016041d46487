"""The Secret with the database credentials, which pods mount as files."""

import base64

from carthub_operator.api import names
from carthub_operator.api.resource import CartService
from carthub_operator.desired.facts import DatabaseCredentials, Manifest, ssl_mode


def database_secret(
    resource: CartService, credentials: DatabaseCredentials, *, synced: str | None
) -> Manifest:
    """Return the Secret; the PG* keys make `psql` work in a pod.

    `synced` is the value of the sync annotation that was carried out last.
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
    annotations = {
        names.ANNOTATION_SECRET_VERSION: credentials.version_id,
        names.ANNOTATION_SECRET_CHANGED_AT: credentials.changed_at,
        names.ANNOTATION_SECRET_ORIGIN: credentials.origin,
    }
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
        "data": {key: base64.b64encode(text.encode()).decode() for key, text in values.items()},
    }
