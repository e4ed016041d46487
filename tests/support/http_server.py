"""Small HTTP servers that a test writes the handler of, on the loopback interface."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# How soon a server ends that is asked to, which most tests wait for.
_POLL_SECONDS = 0.01


class Handler(BaseHTTPRequestHandler):
    """Says nothing of what it is asked, and answers in one call."""

    def answer(self, status: int, body: bytes = b"") -> None:
        """Send a whole answer."""
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def served(handler: Callable[..., BaseHTTPRequestHandler]) -> Iterator[int]:
    """Yield the port of a server that `handler` answers for, a thread for each connection.

    It ends when every connection has: let go first whatever a handler waits for.
    """
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(_POLL_SECONDS,))
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()
