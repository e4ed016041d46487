"""The roles of a database: the one that owns it, and those that log in as its members."""

from psycopg2 import extensions, sql

DATABASE = "carthub"
OWNER = "carthub_owner"
APP = "carthub_app"
ADMIN = "postgres"


def set_login(
    connection: extensions.connection, name: str, password: str, *, member_of: str | None = OWNER
) -> None:
    """Create a role that can log in, or give an existing one a new password."""
    role, secret = sql.Identifier(name), sql.Literal(password)
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [name])
        verb = sql.SQL("ALTER" if cursor.fetchone() else "CREATE")
        cursor.execute(sql.SQL("{} ROLE {} LOGIN PASSWORD {}").format(verb, role, secret))
        if member_of is not None:
            cursor.execute(sql.SQL("GRANT {} TO {}").format(sql.Identifier(member_of), role))
