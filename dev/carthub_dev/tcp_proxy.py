"""A network between a client and PostgreSQL that breaks when a test says so."""

import contextlib
import socket
import socketserver
import threading
from typing import TYPE_CHECKING, Self

from carthub_dev.part import Part

if TYPE_CHECKING:
    from collections.abc import Callable

_CONNECT_SECONDS = 5.0
_CHUNK_BYTES = 65536


class TcpProxy(Part):
    """Passes bytes on, in both directions; a context manager.

    `loses_reply_to` sees what a client sends: True passes that on, waits for the first bytes of
    the reply, and breaks the connection instead of delivering them.
    """

    def __init__(self, target: tuple[str, int]) -> None:
        self.loses_reply_to: Callable[[bytes], bool] | None = None
        self._is_closed = False
        proxy = self

        class Connection(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                proxy._connect(self.request, target)

        self._server = _Server(("127.0.0.1", 0), Connection)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def port(self) -> int:
        """The port on 127.0.0.1 to connect to."""
        return int(self._server.server_address[1])

    def start(self) -> Self:
        """Pass on from now on."""
        self._thread.start()
        return self

    def close(self) -> None:
        """Stop listening, and end every connection."""
        self._is_closed = True
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()

    def _connect(self, client: socket.socket, target: tuple[str, int]) -> None:
        with (
            contextlib.suppress(OSError),
            socket.create_connection(target, _CONNECT_SECONDS) as upstream,
        ):
            upstream.settimeout(None)
            # Set once a reply is to get lost; it and all that follows is not passed back.
            lost = threading.Event()
            back = threading.Thread(
                target=self._pass_back, args=(upstream, client, lost), daemon=True
            )
            back.start()
            self._pass_on(client, upstream, lost)
            back.join()

    def _pass_on(
        self, client: socket.socket, upstream: socket.socket, lost: threading.Event
    ) -> None:
        with contextlib.suppress(OSError):
            while chunk := self._next(client):
                if self.loses_reply_to is not None and self.loses_reply_to(chunk):
                    lost.set()
                upstream.sendall(chunk)
                if lost.is_set():
                    # The reply ends the other direction, and that one this connection.
                    return
        _end(upstream)

    def _pass_back(
        self, upstream: socket.socket, client: socket.socket, lost: threading.Event
    ) -> None:
        with contextlib.suppress(OSError):
            while (chunk := self._next(upstream)) and not lost.is_set():
                client.sendall(chunk)
        _end(client)

    def _next(self, source: socket.socket) -> bytes:
        """Return what came; empty at the end."""
        chunk = source.recv(_CHUNK_BYTES)
        return b"" if self._is_closed else chunk


def _end(sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
