"""Whether the database has a schema that this image works with.

Apart from the command, because a worker asks this and has no other use for Alembic, which would
be 8 MiB of it.
"""

import sqlalchemy
from sqlalchemy import exc

from app.cart.tables import schema_compatibility

# The newest migration; a test holds it equal to Alembic's own answer.
REVISION = "0003"


def is_served(connection: sqlalchemy.Connection) -> bool:
    """Tell whether the database says that it serves this image."""
    statement = sqlalchemy.select(schema_compatibility.c.revision).where(
        schema_compatibility.c.revision == REVISION
    )
    try:
        return connection.execute(statement).first() is not None
    except exc.ProgrammingError:
        return False  # no such table: never migrated
