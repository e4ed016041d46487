"""A service whose limits are small enough to be met in a test."""

from tests.support.raw_http import Server

HEADER_BYTES = 4096
BODY_BYTES = 65_536
# What clients have for a head or a body: a busy machine, too, sends a whole one within it.
SECONDS = 2.0
# For how long one may take nothing of an answer.
SEND_SECONDS = 0.6
KEEP_ALIVE_SECONDS = 3
# A deadline, the sweep that finds it, and a machine that is busy; without one it is twenty.
IN_TIME = SECONDS + 0.5 + 8
LIMITS = {
    "http_max_header_bytes": HEADER_BYTES,
    "http_max_body_bytes": BODY_BYTES,
    "http_max_held_body_bytes": 200_000,
    "http_header_timeout_seconds": SECONDS,
    "http_body_timeout_seconds": SECONDS,
    "http_send_timeout_seconds": SEND_SECONDS,
    "http_keep_alive_seconds": KEEP_ALIVE_SECONDS,
    "http_max_connections": 30,
}
CLOSE = b"Connection: close\r\n"


def metrics(server: Server) -> str:
    """Return what it says at /metrics."""
    asked = b"GET /metrics HTTP/1.1\r\nHost: x\r\n" + CLOSE + b"\r\n"
    return server.talk(asked).raw.decode()
