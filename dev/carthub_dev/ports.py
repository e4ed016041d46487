"""Ports for servers that can only be told a number: looked for, tried, looked for again."""

import random
import socket
from collections.abc import Callable

from carthub_dev.errors import NotReady, ProcessEnded
from carthub_dev.processes import Process

FindPort = Callable[[str], int]

# Below the range from which the kernel takes the ports of outgoing connections, and below the
# NodePorts: a stopped server finds its port free when it comes back.
_PORTS = range(20000, 30000)
_ATTEMPTS = 3


def free_port(address: str = "127.0.0.1") -> int:
    """Return a port nobody listens on at this address now."""
    for port in random.sample(_PORTS, len(_PORTS)):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((address, port))
            except OSError:
                continue
            return port
    raise NotReady(f"no port from {_PORTS.start} to {_PORTS.stop - 1} is free at {address}")


def start_on_free_port(
    address: str,
    process_on: Callable[[int], Process],
    wait: Callable[[Process], None],
    *,
    find_port: FindPort = free_port,
) -> tuple[Process, int]:
    """Start a server on a free port, on another one when somebody takes that port first.

    `wait` returns when the server is ready. Nothing runs when this raises.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        port = find_port(address)
        process = process_on(port).start()
        try:
            wait(process)
        except ProcessEnded as error:
            process.terminate()
            # As the C library says it, and moto after it.
            if "in use" not in str(error) or attempt == _ATTEMPTS:
                raise
        except BaseException:
            process.terminate()
            raise
        else:
            return process, port
    raise AssertionError("every attempt returns or raises")
