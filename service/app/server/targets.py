"""What a request is for (RFC 9112, 3.2)."""

import contextlib

import httptools


def origin_form(target: bytes) -> bytes:
    """Return path and query of a target that may name a server too; any other one unchanged."""
    if not target.startswith(b"/"):
        with contextlib.suppress(httptools.HttpParserInvalidURLError):
            parsed = httptools.parse_url(target)
            path = parsed.path or b"/"
            return path + b"?" + parsed.query if parsed.query else path
    return target
