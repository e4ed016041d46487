"""Whether a server of ours answers: asked directly, whatever proxy the environment names."""

import contextlib
import http.client
import ssl
from urllib.parse import urlsplit

_REQUEST_SECONDS = 5.0


def answers(url: str, *, tls: ssl.SSLContext | None = None) -> bool:
    """Tell whether a URL answers 200. Raises OSError when nobody listens."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port
    connection = (
        http.client.HTTPSConnection(host, port, timeout=_REQUEST_SECONDS, context=tls)
        if parts.scheme == "https"
        else http.client.HTTPConnection(host, port, timeout=_REQUEST_SECONDS)
    )
    with contextlib.closing(connection):
        try:
            connection.request("GET", parts.path or "/", headers={"User-Agent": "carthub-dev"})
            with connection.getresponse() as response:
                return response.status == http.HTTPStatus.OK
        except http.client.HTTPException:
            # It listens and does not speak HTTP yet.
            return False
