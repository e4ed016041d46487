"""What tests of single passes begin with."""

import pytest

from tests.support.world import World


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def settled(world: World) -> World:
    world.settle()
    world.cluster.requests.clear()
    return world
