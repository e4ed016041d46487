"""The answer to a request that no application sees: a whole response with a problem document."""

import contextvars
import json
from collections.abc import Iterable, Mapping
from http import HTTPStatus

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from app import telemetry
from app.api import problems

_RETRY_AFTER = (b"retry-after", b"1")


def response(
    refusal: tuple[int, str, str],
    path: str,
    headers: Mapping[bytes, bytes],
    default_headers: Iterable[tuple[bytes, bytes]],
) -> bytes:
    """Return status line, headers and problem document.

    `refusal` is its status, code and detail, `headers` those of the request as far as they came,
    `default_headers` what the server adds to each response.
    """
    status, code, detail = refusal
    traceparent = headers.get(b"traceparent", b"").decode("latin-1")

    def document() -> tuple[bytes, bytes]:
        trace = telemetry.begin_trace(traceparent)
        made = json.dumps(problems.document(status, code, detail, path))
        return trace.encode(), made.encode()

    # In a context of its own: the caller's is the server's.
    trace, body = contextvars.copy_context().run(document)
    own = [
        (b"content-type", problems.MEDIA_TYPE.encode()),
        (b"content-length", b"%d" % len(body)),
        (b"connection", b"close"),
        (b"traceresponse", trace),
    ]
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        own.append(_RETRY_AFTER)
    lines = [b"%b: %b\r\n" % header for header in (*default_headers, *own)]
    return b"".join((STATUS_LINE[status], *lines, b"\r\n", body))
