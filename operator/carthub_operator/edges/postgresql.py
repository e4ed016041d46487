"""PostgreSQL, asked whether it takes a login. The only module that imports pg8000.

No text of the server goes further: it is in the server's language, and names users.
"""

import contextlib
import socket
import ssl

from pg8000 import exceptions, native

from carthub_operator.contracts import Login
from carthub_operator.desired.facts import DatabaseCredentials

# postgresql.org/docs/current/errcodes-appendix.html
_INVALID_PASSWORD, _INVALID_AUTHORIZATION = "28P01", "28000"
# Says that 28000 is of where somebody comes from (pg_hba.conf), and not of who he is.
_WHERE_FROM = "ClientAuthentication"
_APPLICATION = "carthub-operator"


class PostgresLogins:
    """Logs in and out again, to see whether that goes."""

    def __init__(self, *, timeout_seconds: float) -> None:
        self._timeout_seconds = timeout_seconds

    def attempt(
        self, credentials: DatabaseCredentials, *, ssl_mode: str, authority: str | None
    ) -> Login:
        """Return how the login went; `authority` is the PEM text that `verify-*` needs."""
        place = (credentials.host, credentials.port)
        try:
            context = _context(ssl_mode, authority)
            with (
                contextlib.closing(
                    socket.create_connection(place, self._timeout_seconds)
                ) as opened,
                native.Connection(
                    credentials.username,
                    host=credentials.host,
                    password=credentials.password,
                    database=credentials.database,
                    application_name=_APPLICATION,
                    ssl_context=context,
                    sock=opened,
                ) as connection,
            ):
                ((most,),) = connection.run("SHOW max_connections")
                return Login(is_accepted=True, max_connections=int(most))
        except exceptions.DatabaseError as error:
            return _answer(error)
        except Exception:  # noqa: BLE001 - no PostgreSQL, no TLS, letters that SCRAM forbids: no refusal
            return Login()


def _answer(error: exceptions.DatabaseError) -> Login:
    fields = error.args[0] if error.args and isinstance(error.args[0], dict) else {}
    code = fields.get("C")
    if code == _INVALID_PASSWORD:
        return Login(refusal=code)
    if code == _INVALID_AUTHORIZATION and fields.get("R") != _WHERE_FROM:
        return Login(refusal=code)
    return Login()


def _context(ssl_mode: str, authority: str | None) -> ssl.SSLContext | bool:
    """Return the TLS that libpq would use; False is none."""
    if ssl_mode == "disable":
        return False
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = ssl_mode == "verify-full"
    if not ssl_mode.startswith("verify-"):
        context.verify_mode = ssl.CERT_NONE
        return context
    context.load_verify_locations(cadata=authority or "")
    return context
