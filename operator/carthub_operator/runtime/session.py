"""The HTTP session by which kopf lists and watches: heard by us, and in words that kopf can take.

Of a listing kopf gets nothing but where its watch begins: what there is, the resync lists.

kopf 1.45 ends, or hangs in its end, when a watch or a listing is answered with a status that it
does not expect (a plain 410, a 404 after the definition was deleted) or an error within a stream
is not 410. Here each of them becomes what makes it list anew, or try again.
"""

from collections.abc import AsyncIterator, Callable
from http import HTTPStatus
from typing import Any, ClassVar, Protocol

import aiohttp
import kopf

# A path such as /apis/apps/v1/namespaces/shop/deployments.
Path = str

# kopf tries these again by itself, or logs in anew.
_TAKEN = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS})
_GONE = b'{"type":"ERROR","object":{"kind":"Status","code":410}}\n'
# As the API server begins such a line; what objects hold stands behind their own type.
_ERROR, _IS_GONE = b'{"type":"ERROR"', b'"code":410'


class Listener(Protocol):
    """Who is told of what goes by."""

    def tried(self, path: Path) -> None:
        """Note that a watch is being opened, or what precedes it: a listing."""

    def answered(self, path: Path, status: int) -> None:
        """Note how a watch or a listing is answered; 0: not at all."""

    def listed(self, path: Path) -> None:
        """Note that a watch is to begin with what a collection is now."""

    def heard(self, path: Path) -> None:
        """Note that something came through a watch."""


def session(info: kopf.ConnectionInfo, listener: Listener) -> aiohttp.ClientSession:
    """Return a session with these credentials."""

    async def started(_: object, __: object, request: aiohttp.TraceRequestStartParams) -> None:
        if _is_watch(request.url.query) or _is_listing(request.url.query):
            listener.tried(request.url.path)

    async def failed(_: object, __: object, request: aiohttp.TraceRequestExceptionParams) -> None:
        if _is_watch(request.url.query) and isinstance(request.exception, Exception):
            listener.answered(request.url.path, 0)

    tracing = aiohttp.TraceConfig()
    tracing.on_request_start.append(started)
    tracing.on_request_exception.append(failed)
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, ssl=info.as_ssl_context()),
        headers=info.as_http_headers(),
        trace_configs=[tracing],
        response_class=type("Response", (_Response,), {"listener": listener}),
    )


class _Response(aiohttp.ClientResponse):
    """An answer; a class of its own for each session names the listener."""

    listener: ClassVar[Listener]

    async def start(self, connection: Any) -> aiohttp.ClientResponse:  # noqa: ANN401 - aiohttp's own
        """Read status and headers, and put what kopf cannot take in words that it can."""
        await super().start(connection)
        path, query = self.url.path, self.url.query
        if _is_watch(query):
            self.listener.answered(path, self.status)
            await self._take_watch(path)
        elif _is_listing(query):
            await self._take_listing(path)
        return self

    async def json(self, **given: Any) -> Any:  # noqa: ANN401 - aiohttp's own
        """Return a document; a listing without its objects, as if there were none."""
        found = await super().json(**given)
        if self.ok and _is_listing(self.url.query):
            return {"metadata": {"resourceVersion": found["metadata"]["resourceVersion"]}}
        return found

    async def _take_watch(self, path: Path) -> None:
        if self._is_taken():
            self._listen(_Stream(self.content, lambda: self.listener.heard(path)))
            return
        await self.read()
        self.status = HTTPStatus.OK
        self._listen(_Stream(self.content, lambda: None, instead=_GONE))

    async def _take_listing(self, path: Path) -> None:
        if self.ok:
            self.listener.listed(path)
        elif not self._is_taken():
            await self.read()
            self.status = HTTPStatus.SERVICE_UNAVAILABLE

    def _is_taken(self) -> bool:
        is_client_error = 400 <= self.status < 500  # noqa: PLR2004 - RFC 9110
        return not is_client_error or self.status in _TAKEN

    def _listen(self, stream: "_Stream") -> None:
        self.content = stream  # type: ignore[assignment] # only aiohttp makes what is demanded


class _Stream:
    """The body of an answer to a watch, or `instead` of it."""

    def __init__(
        self, body: aiohttp.StreamReader, on_part: Callable[[], None], *, instead: bytes = b""
    ) -> None:
        self._body = body
        self._on_part = on_part
        self._instead = instead

    async def iter_chunked(self, size: int) -> AsyncIterator[bytes]:
        """Yield whole lines; raises ClientPayloadError for an error that is not 410."""
        if self._instead:
            yield self._instead
            return
        begun = b""
        async for part in self._body.iter_chunked(size):
            self._on_part()
            *lines, begun = (begun + part).splitlines(keepends=True) or (b"",)
            if begun.endswith(b"\n"):
                lines, begun = [*lines, begun], b""
            for line in lines:
                yield _checked(line)
        if begun:
            yield _checked(begun)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever a body has
        return getattr(self._body, name)


def _checked(line: bytes) -> bytes:
    if line.startswith(_ERROR) and _IS_GONE not in line:
        raise aiohttp.ClientPayloadError("the watch ends with an error")
    return line


def _is_watch(query: Any) -> bool:  # noqa: ANN401 - yarl's multidict
    return bool(query.get("watch") == "true")


def _is_listing(query: Any) -> bool:  # noqa: ANN401 - yarl's multidict
    return "limit" in query
