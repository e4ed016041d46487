"""What is really sent to PostgreSQL: noted by the driver's cursors, below everything of ours."""

import contextlib
from collections.abc import Iterator

from psycopg2 import extensions
from sqlalchemy import event, pool


@contextlib.contextmanager
def noted() -> Iterator[list[str]]:
    """Lend a list of the statements of every connection that opens meanwhile."""
    statements: list[str] = []

    class Noting(extensions.cursor):
        def execute(self, query: str | bytes, vars: object = None) -> None:  # type: ignore[override]  # noqa: A002 - as the driver names them
            statements.append(query.decode() if isinstance(query, bytes) else query)
            super().execute(query, vars)  # type: ignore[arg-type] # handed on as it came

    def note(opened: extensions.connection, _record: object) -> None:
        opened.cursor_factory = Noting

    event.listen(pool.Pool, "connect", note)
    try:
        yield statements
    finally:
        event.remove(pool.Pool, "connect", note)
