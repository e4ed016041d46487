"""Statements that PostgreSQL plans once a connection: psycopg2 itself would send the text anew.

A plan is made when a connection first needs it, not when it opens: so a database that lacks one
function, before a migration or after a rollback, still answers everything else.
"""

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import sqlalchemy

Row = tuple[Any, ...]

_PREPARED = "carthub_prepared"
_PARAMETER = re.compile(r"\$(\d+)")


@dataclass(frozen=True)
class Statement:
    """SQL with the parameters $1, $2, ..., each used once and in this order, and without `%`."""

    name: str
    parameter_types: tuple[str, ...]
    text: str

    def run(self, connection: sqlalchemy.Connection, *values: object) -> list[Row]:
        """Return the rows; prepared on this connection, unless it was opened without plans.

        Raises the driver's errors as they are; who lent the connection translates them.
        """
        pooled = connection.connection
        # Past SQLAlchemy, which would describe the columns anew for every answer: a tenth of what
        # a request costs the process.
        cursor = pooled.cursor()
        prepared = pooled.info.get(_PREPARED)
        if prepared is None:
            cursor.execute(self._direct, values)
        else:
            if self.name not in prepared:
                cursor.execute(self._preparation)
                prepared.add(self.name)
            cursor.execute(self._execution, values)
        return list(cursor.fetchall())

    def row(self, connection: sqlalchemy.Connection, *values: object) -> Row:
        """Return the one row of a statement that always has one."""
        [row] = self.run(connection, *values)
        return row

    @cached_property
    def _preparation(self) -> str:
        return f"PREPARE {self.name} ({', '.join(self.parameter_types)}) AS {self.text}"

    @cached_property
    def _execution(self) -> str:
        placeholders = ", ".join("%s" for _ in self.parameter_types)
        return f"EXECUTE {self.name} ({placeholders})"

    @cached_property
    def _direct(self) -> str:
        def placeholder(found: re.Match[str]) -> str:
            return f"CAST(%s AS {self.parameter_types[int(found[1]) - 1]})"

        return _PARAMETER.sub(placeholder, self.text)


def keep_plans(info: dict[object, object]) -> None:
    """Let statements be prepared on a new connection, whose pool entry has this `info`."""
    info[_PREPARED] = set()
