import socket
from collections.abc import Callable, Iterator

import pytest

from carthub_dev.aws import AwsServer
from carthub_dev.control_plane import ControlPlane
from carthub_dev.database import DatabaseServer
from carthub_dev.errors import ProcessEnded
from carthub_dev.ledger import Ledger
from carthub_dev.ports import FindPort, free_port


def test_a_free_port_can_be_bound() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", free_port()))


@pytest.fixture
def taken() -> Iterator[int]:
    """A port somebody else has taken between the look and the start."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        yield other.getsockname()[1]


def unlucky(taken: int, times: int) -> FindPort:
    answers = [taken] * times
    return lambda address: answers.pop() if answers else free_port(address)


@pytest.mark.usefixtures("control_plane_tools")
@pytest.mark.parametrize("start", [AwsServer, DatabaseServer, ControlPlane])
def test_a_server_takes_another_port_when_its_own_is_taken(
    start: Callable[..., ControlPlane | DatabaseServer | AwsServer], taken: int, ledger: Ledger
) -> None:
    # Twice: etcd asks for two ports before the API server asks for its own.
    with start(ledger, find_port=unlucky(taken, times=2)) as server:
        assert server.port != taken


def test_a_server_that_finds_no_port_leaves_nothing(taken: int, ledger: Ledger) -> None:
    before = ledger.entries()
    with pytest.raises(ProcessEnded, match="in use"):
        DatabaseServer(ledger, find_port=unlucky(taken, times=9)).start()
    assert ledger.entries() == before
