"""A schedule that runs, for each test."""

from collections.abc import Iterator

import pytest

from tests.support.secret_world import SecretWorld


@pytest.fixture
def world() -> Iterator[SecretWorld]:
    made = SecretWorld()
    made.schedule.start(threads=2)
    yield made
    made.aws.open.set()
    made.aws.is_found.set()
    made.schedule.close(10)
