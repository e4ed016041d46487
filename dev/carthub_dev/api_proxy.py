"""A proxy before kube-apiserver that loses, refuses or delays what a test wants it to.

It speaks plain HTTP on loopback, so the operator's own identity (a token) passes through it, and
HTTPS to the real server behind. Each request is shown to `decide` first, in its order.
"""

import asyncio
import json
import ssl
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from types import TracebackType
from typing import Self

import aiohttp
import yaml
from aiohttp import web
from yarl import URL

from carthub_dev.control_plane import ControlPlane

_START_SECONDS = 30.0
# Namespace and plural.
_COLLECTION = 2
# Those that belong to one connection (RFC 9110, 7.6.1), and what aiohttp sets itself.
_OWN_HEADERS = frozenset(
    {"connection", "keep-alive", "transfer-encoding", "upgrade", "host", "content-length"}
)


@dataclass(frozen=True)
class Request:
    """What is asked; `number` counts from 0."""

    number: int
    method: str
    path: str
    is_watch: bool

    @property
    def namespace(self) -> str:
        """The namespace it is about, empty where it is about none."""
        return self._where[0] if self._where else ""

    @property
    def is_about_one_object(self) -> bool:
        """Whether it reads or writes one object by its name, or creates one."""
        return self.method != "GET" or len(self._where) > _COLLECTION

    @property
    def _where(self) -> list[str]:
        """Namespace, plural, name and subresource, as far as the path has them."""
        _, found, rest = self.path.partition("/namespaces/")
        return rest.split("/") if found else []


class Loss(Enum):
    """What the network swallows."""

    # The server never hears of it.
    REQUEST = auto()
    # The server does it, and nobody hears of that.
    ANSWER = auto()
    # The answer begins, and no byte of it follows.
    SILENCE = auto()


@dataclass(frozen=True)
class Answer:
    """What the proxy answers instead of the server."""

    status: int
    reason: str = ""
    retry_after_seconds: int | None = None


Decide = Callable[[Request], Loss | Answer | None]


class ApiProxy:
    """A context manager; `decide` may be replaced at any time, None passes everything on."""

    def __init__(self, plane: ControlPlane) -> None:
        self.decide: Decide | None = None
        self._plane = plane
        self._count = 0
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._port: Future[int] = Future()
        self._thread = threading.Thread(target=self._serve, name="api-proxy", daemon=True)
        self._open: set[asyncio.BaseTransport] = set()

    @property
    def url(self) -> str:
        """The address to use in place of the server's."""
        return f"http://127.0.0.1:{self._port.result(_START_SECONDS)}"

    def kubeconfig(self, original: Path) -> Path:
        """Return a kubeconfig with the same identity that goes through here."""
        config = yaml.safe_load(original.read_text())
        config["clusters"][0]["cluster"] = {"server": self.url}
        file = original.with_name(f"through-{self._port.result()}-{original.name}")
        file.touch(mode=0o600)
        file.write_text(yaml.safe_dump(config))
        return file

    def cut(self) -> None:
        """Cut every connection there is, those of watches too."""
        self._loop.call_soon_threadsafe(self._cut_all)

    def __enter__(self) -> Self:
        self._thread.start()
        self._port.result(_START_SECONDS)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(_START_SECONDS)

    def _serve(self) -> None:
        try:
            self._loop.run_until_complete(self._run())
        except BaseException as error:
            if not self._port.done():
                self._port.set_exception(error)
            raise
        finally:
            self._loop.close()

    async def _run(self) -> None:
        tls = ssl.create_default_context(cafile=self._plane.ca_file)
        connector = aiohttp.TCPConnector(ssl=tls, limit=0)
        timeout = aiohttp.ClientTimeout(total=None)
        async with aiohttp.ClientSession(
            connector=connector, timeout=timeout, auto_decompress=False
        ) as session:
            application = web.Application(client_max_size=0)

            async def handle(request: web.Request) -> web.StreamResponse:
                return await self._handle(session, request)

            application.router.add_route("*", "/{path:.*}", handle)
            runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            self._port.set_result(runner.addresses[0][1])
            await self._stop.wait()
            await runner.cleanup()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def _handle(
        self, session: aiohttp.ClientSession, request: web.Request
    ) -> web.StreamResponse:
        body = await request.read()
        transport = request.transport
        if transport is not None:
            self._open.add(transport)
        shown = Request(
            self._count, request.method, request.path, request.query.get("watch") == "true"
        )
        self._count += 1
        fault = self.decide(shown) if self.decide else None
        if isinstance(fault, Answer):
            return _refusal(fault)
        if fault is Loss.REQUEST:
            return _cut(request)
        try:
            return await self._pass_on(session, request, body, fault)
        except (aiohttp.ClientError, ConnectionError):
            # The server is away, or went: so does this connection.
            return _cut(request)

    def _cut_all(self) -> None:
        for transport in self._open:
            if isinstance(transport, asyncio.WriteTransport):
                transport.abort()
        self._open.clear()

    async def _pass_on(
        self,
        session: aiohttp.ClientSession,
        request: web.Request,
        body: bytes,
        fault: Loss | None,
    ) -> web.StreamResponse:
        headers = {
            key: one for key, one in request.headers.items() if key.lower() not in _OWN_HEADERS
        }
        url = f"{self._plane.url}{request.raw_path}"
        async with session.request(
            request.method, _as_it_stands(url), headers=headers, data=body or None
        ) as answer:
            if fault is Loss.ANSWER:
                await answer.read()
                return _cut(request)
            passed = web.StreamResponse(status=answer.status)
            for key, one in answer.headers.items():
                if key.lower() not in _OWN_HEADERS:
                    passed.headers.add(key, one)
            await passed.prepare(request)
            if fault is Loss.SILENCE:
                await self._stop.wait()
            async for chunk in answer.content.iter_any():
                await passed.write(chunk)
            return passed


def _as_it_stands(url: str) -> URL:
    """Return a URL as it stands: what is encoded stays so."""
    return URL(url, encoded=True)


def _cut(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def _refusal(fault: Answer) -> web.Response:
    status = {
        "apiVersion": "v1",
        "kind": "Status",
        "status": "Failure",
        "reason": fault.reason,
        "message": f"the proxy answers {fault.status}",
        "code": fault.status,
    }
    headers = {}
    if fault.retry_after_seconds is not None:
        headers["Retry-After"] = str(fault.retry_after_seconds)
    return web.Response(
        status=fault.status,
        text=json.dumps(status),
        content_type="application/json",
        headers=headers,
    )
