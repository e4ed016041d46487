"""What kopf cannot take, put in words that it can; on a real HTTP server."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import kopf
import pytest
from aiohttp import web

from carthub_operator.runtime.session import session

WATCH = {"watch": "true", "resourceVersion": "7"}
LIST = {"limit": "1"}
Ask = Callable[[aiohttp.ClientSession, str], Awaitable[Any]]


class Heard:
    """What a listener was told."""

    def __init__(self) -> None:
        self.told: list[tuple[object, ...]] = []

    def tried(self, path: str) -> None:
        self.told.append(("tried", path))

    def answered(self, path: str, status: int) -> None:
        self.told.append(("answered", path, status))

    def listed(self, path: str) -> None:
        self.told.append(("listed", path))

    def heard(self, path: str) -> None:
        self.told.append(("heard", path))


def _ask(heard: Heard, answer: web.Response, ask: Ask) -> Any:
    """Return what `ask` makes of the answer of a server."""

    async def run() -> Any:
        async def handle(_: web.Request) -> web.Response:
            return answer

        application = web.Application()
        application.router.add_get("/things", handle)
        runner = web.AppRunner(application)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            async with session(kopf.ConnectionInfo(server=url), heard) as opened:
                return await ask(opened, f"{url}/things")
        finally:
            await runner.cleanup()

    return asyncio.run(run())


async def _watched(opened: aiohttp.ClientSession, url: str) -> list[Any]:
    async with opened.get(url, params=WATCH) as answer:
        assert answer.status == 200
        parts = [part async for part in answer.content.iter_chunked(1024)]
    return [json.loads(line) for line in b"".join(parts).splitlines()]


async def _listed(opened: aiohttp.ClientSession, url: str) -> int:
    async with opened.get(url, params=LIST) as answer:
        await answer.read()
        return answer.status


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.mark.parametrize("status", [400, 404, 410, 422])
def test_a_watch_that_is_refused_asks_for_another_listing(heard: Heard, status: int) -> None:
    (event,) = _ask(heard, web.Response(status=status, text="no"), _watched)

    assert (event["type"], event["object"]["code"]) == ("ERROR", 410)
    assert heard.told == [("tried", "/things"), ("answered", "/things", status)]


@pytest.mark.parametrize("status", [401, 403, 429, 503])
def test_what_kopf_knows_to_take_stays(heard: Heard, status: int) -> None:
    async def ask(opened: aiohttp.ClientSession, url: str) -> int:
        async with opened.get(url, params=WATCH) as answer:
            return answer.status

    assert _ask(heard, web.Response(status=status), ask) == status
    assert _ask(heard, web.Response(status=status), _listed) == status


def test_news_and_bookmarks_are_heard(heard: Heard) -> None:
    event = {"type": "BOOKMARK", "object": {}}

    assert _ask(heard, web.Response(text=json.dumps(event)), _watched) == [event]
    assert heard.told[-1] == ("heard", "/things")


def test_a_listing_that_is_refused_is_tried_again(heard: Heard) -> None:
    assert _ask(heard, web.Response(status=404), _listed) == 503
    # A definition that has gone: it is tried as long as that, and nothing is stuck.
    assert heard.told == [("tried", "/things")]


def test_a_listing_tells_where_the_watch_begins_and_nothing_else(heard: Heard) -> None:
    page = {
        "kind": "ThingList",
        "metadata": {"resourceVersion": "7", "continue": "page-2", "remainingItemCount": 1},
        "items": [{"metadata": {"name": "one"}}],
    }

    async def ask(opened: aiohttp.ClientSession, url: str) -> object:
        async with opened.get(url, params=LIST) as answer:
            return await answer.json()

    assert _ask(heard, web.json_response(page), ask) == {"metadata": {"resourceVersion": "7"}}
    assert heard.told == [("tried", "/things"), ("listed", "/things")]


def test_an_error_within_a_stream_ends_it_unless_it_is_gone(heard: Heard) -> None:
    gone = {"type": "ERROR", "object": {"code": 410}}
    broken = {"type": "ERROR", "object": {"code": 500}}

    body = json.dumps(gone, separators=(",", ":"))
    assert _ask(heard, web.Response(text=body), _watched) == [gone]
    with pytest.raises(aiohttp.ClientPayloadError):
        _ask(heard, web.Response(text=json.dumps(broken, separators=(",", ":"))), _watched)


def test_a_server_that_is_away_is_told(heard: Heard) -> None:
    async def ask(opened: aiohttp.ClientSession, _: str) -> None:
        with pytest.raises(aiohttp.ClientConnectionError):
            await opened.get("http://127.0.0.1:1/things", params=WATCH)

    _ask(heard, web.Response(), ask)

    assert heard.told == [("tried", "/things"), ("answered", "/things", 0)]


_TELLS_OF_ERRORS = {"type": "MODIFIED", "object": {"metadata": {"annotations": {"type": "ERROR"}}}}
_IS_ERROR = {"type": "ERROR", "object": {"kind": "Status", "code": 500}}


def _lines(*events: object) -> str:
    return "".join(json.dumps(event, separators=(",", ":")) + "\n" for event in events)


def test_what_an_object_holds_is_no_error_of_the_watch(heard: Heard) -> None:
    assert _ask(heard, web.Response(text=_lines(_TELLS_OF_ERRORS)), _watched) == [_TELLS_OF_ERRORS]


@pytest.mark.parametrize("size", [1, 7, 1024])
def test_an_error_ends_the_watch_behind_the_news_before_it(heard: Heard, size: int) -> None:
    seen: list[bytes] = []

    async def watched(opened: aiohttp.ClientSession, url: str) -> None:
        async with opened.get(url, params=WATCH) as answer:
            async for part in answer.content.iter_chunked(size):
                seen.append(part)  # noqa: PERF401 - it is to be kept when an error comes

    with pytest.raises(aiohttp.ClientPayloadError):
        _ask(heard, web.Response(text=_lines(_TELLS_OF_ERRORS, _IS_ERROR)), watched)
    assert b"".join(seen).decode() == _lines(_TELLS_OF_ERRORS)
