"""One service with small limits for each module."""

from collections.abc import Iterator

import pytest

from tests.support.raw_http import Server, running_server
from tests.support.small_service import LIMITS


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running_server(LIMITS) as running:
        yield running
