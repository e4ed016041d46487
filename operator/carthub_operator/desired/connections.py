"""How many connections to PostgreSQL a CartService may open at most."""

import re
from typing import Final

from carthub_operator.api import names
from carthub_operator.api.resource import CartService

# Connections that a pod keeps, where DB_POOL_SIZE does not say otherwise.
DEFAULT_POOL_SIZE: Final = 16
# The health check of a pod has a connection of its own.
HEALTH_CHECKS: Final = 1
# A rollout has one pod more for a while, and a migration one connection.
SURGE_PODS: Final = 1
MIGRATIONS: Final = 1


_COUNT: Final = re.compile("[0-9]{1,6}")


def most_pods(resource: CartService) -> int:
    """Return how many pods there are at most, those of a rollout with them."""
    scaling = resource.spec.autoscaling
    return (scaling.max_replicas if scaling.enabled else resource.spec.replicas) + SURGE_PODS


def pool_size(resource: CartService) -> int:
    """Return how many connections a pod keeps."""
    for variable in resource.spec.env:
        # The service itself refuses what is no number; what is beyond all measure is not counted.
        if variable.name == names.ENV_DB_POOL_SIZE and _COUNT.fullmatch(variable.value or ""):
            return int(variable.value or 0)
    return DEFAULT_POOL_SIZE


def most_connections(resource: CartService) -> int:
    """Return how many connections there are at most."""
    return most_pods(resource) * (pool_size(resource) + HEALTH_CHECKS) + MIGRATIONS
