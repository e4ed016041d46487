"""The head and the body of an answer in one packet.

uvicorn writes them one after the other: two system calls, and two times that the client wakes up.
"""

import asyncio

_CONTINUE = b"HTTP/1.1 100"


class OneWrite:
    """What an answer is written to: keeps its head until the first part of its body comes.

    Not for an answer to HEAD, after whose head nothing comes.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        # None: not here yet. Empty: sent.
        self._head: bytes | None = None

    def write(self, data: bytes) -> None:
        """Send, or keep the head."""
        if self._head is None and not data.startswith(_CONTINUE):
            self._head = data
        elif self._head:
            self._transport.write(self._head + data)
            self._head = b""
        else:
            self._transport.write(data)

    def close(self) -> None:
        """Send what is kept, then close."""
        if self._head:
            self._transport.write(self._head)
        self._transport.close()

    def is_closing(self) -> bool:
        """Tell whether nothing more can be sent."""
        return self._transport.is_closing()
