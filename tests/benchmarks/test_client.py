"""The client of the benchmark, against servers that do not answer everything."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks import client
from benchmarks.workload import Kind, Request
from carthub_dev.errors import ToolMissing
from carthub_dev.ledger import Ledger
from tests.support import http_server


@contextmanager
def _answering_only_reads() -> Iterator[int]:
    """Yield the port of a server whose writes are under way until it is closed."""
    closed = threading.Event()

    class Handler(http_server.Handler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.answer(200)

        def do_PUT(self) -> None:
            closed.wait()

    with http_server.served(Handler) as port:
        try:
            yield port
        finally:
            closed.set()


@pytest.fixture(autouse=True)
def _wrk(ledger: Ledger) -> None:
    try:
        client.ensure(ledger, print)
    except ToolMissing as error:
        pytest.skip(str(error))


def test_a_write_whose_answer_did_not_come_is_told_as_such(tmp_path: Path) -> None:
    with _answering_only_reads() as port:
        read = Request(Kind.READ, port, b"GET / HTTP/1.1\r\nHost: shop\r\n\r\n")
        write = Request(
            Kind.SET, port, b"PUT / HTTP/1.1\r\nHost: shop\r\nContent-Length: 0\r\n\r\n"
        )
        # The first is the one that wrk asks for and does not send.
        answers = client.attack([read, read, write], tmp_path, connections=1, seconds=0.1)

    assert [(answer.kind, answer.status) for answer in answers] == [(Kind.READ, 200), (Kind.SET, 0)]


def test_at_a_rate_its_threads_neither_compile_nor_collect_in_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    probe, told = tmp_path / "probe.lua", tmp_path / "told"
    probe.write_text(
        f"""
        dofile("{client.SCRIPT}")
        compiles, collects = jit.status(), collectgarbage("isrunning")
        local at_the_end, threads, of_thread = done, {{}}, setup
        function setup(thread) threads[#threads + 1] = thread; of_thread(thread) end
        function done()
          local file = io.open("{told}", "w")
          for _, thread in ipairs(threads) do
            local compiles, collects = thread:get("compiles"), thread:get("collects")
            file:write(tostring(compiles), " ", tostring(collects), "\\n")
          end
          file:close()
          at_the_end()
        end
        """
    )
    monkeypatch.setattr(client, "SCRIPT", probe)
    with _answering_only_reads() as port:
        read = Request(Kind.READ, port, b"GET / HTTP/1.1\r\nHost: shop\r\n\r\n")
        client.attack([read, read], tmp_path, connections=2, seconds=0.1, rate=100)

    assert told.read_text().splitlines() == ["false false", "false false"]
