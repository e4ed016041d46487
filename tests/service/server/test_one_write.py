import asyncio

from app.server.one_write import OneWrite


class _Transport(asyncio.Transport):
    """Remembers what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.packets: list[bytes] = []
        self.is_closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.is_closed
        self.packets.append(bytes(data))

    def close(self) -> None:
        self.is_closed = True

    def is_closing(self) -> bool:
        return self.is_closed


def test_head_goes_with_the_first_part_of_the_body() -> None:
    transport = _Transport()
    answer = OneWrite(transport)
    for part in (b"head ", b"one", b"two", b""):
        answer.write(part)
    assert transport.packets == [b"head one", b"two", b""]


def test_head_goes_alone_when_there_is_no_body() -> None:
    transport = _Transport()
    answer = OneWrite(transport)
    answer.write(b"head")
    answer.write(b"")
    assert transport.packets == [b"head"]


def test_word_to_continue_is_not_kept() -> None:
    transport = _Transport()
    answer = OneWrite(transport)
    answer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert transport.packets == [b"HTTP/1.1 100 Continue\r\n\r\n"]
    answer.write(b"head ")
    answer.write(b"body")
    assert transport.packets[1:] == [b"head body"]


def test_what_is_kept_is_sent_before_the_end() -> None:
    transport = _Transport()
    answer = OneWrite(transport)
    answer.write(b"head")
    assert not answer.is_closing()
    answer.close()
    assert transport.packets == [b"head"]
    assert answer.is_closing()
