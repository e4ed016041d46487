"""A TCP proxy on loopback that can stop forwarding, as a network does that swallows packets."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import Self

_CHUNK_BYTES = 65536


class Proxy:
    """Forwards to one address; a context manager with a thread and an event loop of its own."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._gate = asyncio.Event()
        # Says of what a client sends whether it, and all that comes behind it, is lost.
        self.loses: Callable[[bytes], bool] = lambda _: False
        self.port = 0

    def swallow(self) -> None:
        """Forward nothing from now on; connections stay open, and new ones are accepted."""
        self._loop.call_soon_threadsafe(self._gate.clear)

    def forward(self) -> None:
        """Forward again, first what came meanwhile."""
        self._loop.call_soon_threadsafe(self._gate.set)

    def __enter__(self) -> Self:
        self._gate.set()
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _end(self) -> None:
        self._server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer), contextlib.suppress(OSError):
            await self._gate.wait()
            there_reader, there_writer = await asyncio.open_connection(*self._target)
            with contextlib.closing(there_writer):
                ways = [
                    asyncio.create_task(self._pass(reader, there_writer, self.loses)),
                    asyncio.create_task(self._pass(there_reader, writer, lambda _: False)),
                ]
                try:
                    await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for way in ways:
                        way.cancel()

    async def _pass(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        loses: Callable[[bytes], bool],
    ) -> None:
        is_lost = False
        with contextlib.suppress(OSError):
            while data := await reader.read(_CHUNK_BYTES):
                await self._gate.wait()
                is_lost = is_lost or loses(data)
                if is_lost:
                    continue
                writer.write(data)
                await writer.drain()
