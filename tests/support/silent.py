"""A client that keeps its connection and says nothing for a long time, then goes on."""

import contextlib
import select
import socket
from typing import Self

_SECONDS = 10.0


class SilentClient:
    """One kept connection, used once; closed at the end of the block."""

    def __init__(self, host: str, path: str, *, port: int = 80) -> None:
        self._request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
        self._connection = socket.create_connection((host, port), _SECONDS)
        self.said = self.ask()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    @property
    def is_told_to_leave(self) -> bool:
        """Whether the connection was closed: what an HTTP client looks at before it sends."""
        readable, _, _ = select.select([self._connection], [], [], 0)
        # Nothing was asked for, so that only an end can be there.
        return bool(readable)

    def ask(self) -> bytes:
        """Send on the kept connection, as a client that does not look; return what comes.

        Empty where the connection was closed. Fails where neither an answer nor an end comes.
        """
        with contextlib.suppress(ConnectionError):
            self._connection.sendall(self._request)
            return self._connection.recv(65536)
        return b""
