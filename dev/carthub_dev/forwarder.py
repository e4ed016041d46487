"""A port on 127.0.0.1 that leads to a Service, so that a browser needs no route to it."""

import contextlib
import selectors
import socket
import socketserver
import threading
from typing import Self

from carthub_dev.part import Part

_CONNECT_SECONDS = 5.0
_IDLE_SECONDS = 60.0
_CHUNK_BYTES = 65536
_MAX_CONNECTIONS = 64


class Forwarder(Part):
    """Forwards TCP from a port of this machine; at most 64 connections at once."""

    def __init__(self, target: tuple[str, int], *, preferred_port: int = 0) -> None:
        self._server = _listen(target, preferred_port)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def port(self) -> int:
        """The port it listens on: the preferred one where that was free."""
        return int(self._server.server_address[1])

    def start(self) -> Self:
        """Forward from now on."""
        self._thread.start()
        return self

    def close(self) -> None:
        """Stop listening; open connections end with the process or their idle time."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()


class _Server(socketserver.ThreadingTCPServer):
    """A listening socket that knows where it leads."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False

    def __init__(self, port: int, target: tuple[str, int]) -> None:
        super().__init__(("127.0.0.1", port), _Connection)
        self.target = target
        self.places = threading.BoundedSemaphore(_MAX_CONNECTIONS)


class _Connection(socketserver.BaseRequestHandler):
    """One forwarded connection."""

    server: _Server

    def handle(self) -> None:
        """Copy both ways until one side ends."""
        # Over the limit or nobody there: the caller sees a closed connection, as from a proxy.
        if not self.server.places.acquire(blocking=False):
            return
        try:
            with (
                contextlib.suppress(OSError),
                socket.create_connection(self.server.target, _CONNECT_SECONDS) as upstream,
            ):
                _copy(self.request, upstream)
        finally:
            self.server.places.release()


def _copy(client: socket.socket, upstream: socket.socket) -> None:
    with selectors.DefaultSelector() as selector:
        selector.register(client, selectors.EVENT_READ, upstream)
        selector.register(upstream, selectors.EVENT_READ, client)
        while ready := selector.select(_IDLE_SECONDS):
            for key, _ in ready:
                source, target = key.fileobj, key.data
                assert isinstance(source, socket.socket)  # noqa: S101 - only sockets are registered
                data = source.recv(_CHUNK_BYTES)
                if not data:
                    return
                target.sendall(data)


def _listen(target: tuple[str, int], preferred_port: int) -> _Server:
    try:
        return _Server(preferred_port, target)
    except OSError:
        if not preferred_port:
            raise
        return _Server(0, target)
