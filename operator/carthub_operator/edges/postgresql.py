"""PostgreSQL, asked whether it takes a login. The only module that imports pg8000.

No text of the server goes further: it is in the server's language, and names users.
"""

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator

from pg8000 import exceptions, native

from carthub_operator.contracts import Login
from carthub_operator.desired.facts import DatabaseCredentials

# postgresql.org/docs/current/errcodes-appendix.html
_INVALID_PASSWORD, _INVALID_AUTHORIZATION = "28P01", "28000"
# Says that 28000 is of where somebody comes from (pg_hba.conf), and not of who he is.
_WHERE_FROM = "ClientAuthentication"
_APPLICATION = "carthub-operator"


class PostgresLogins:
    """Logs in and out again, to see whether that goes.

    Takes twice the time at most, half of it to connect, but for the name's resolution.
    """

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
                _connection(place, self._timeout_seconds) as opened,
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


@contextlib.contextmanager
def _connection(place: tuple[str, int], timeout_seconds: float) -> Iterator[socket.socket]:
    """Yield a connection, and cut it once that time is over.

    A socket's own timeout begins anew with every byte that comes.
    """
    # A copy: TLS takes the first one over.
    with _connected(place, timeout_seconds) as opened, opened.dup() as same:
        cutting = threading.Timer(timeout_seconds, _cut, [same])
        cutting.daemon = True
        cutting.start()
        try:
            yield opened
        finally:
            cutting.cancel()
            cutting.join()


def _connected(place: tuple[str, int], timeout_seconds: float) -> socket.socket:
    """Return a connection to the first address that answers; each has its share of the time."""
    found = socket.getaddrinfo(*place, type=socket.SOCK_STREAM)
    for family, kind, protocol, _, address in found:
        opened = socket.socket(family, kind, protocol)
        opened.settimeout(timeout_seconds / len(found))
        try:
            opened.connect(address)
        except OSError:
            opened.close()
            continue
        opened.settimeout(timeout_seconds)
        return opened
    raise OSError("no address answers")


def _cut(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


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
