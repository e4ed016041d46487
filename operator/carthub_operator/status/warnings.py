"""What is declared and works, and may still not be what somebody wants: told, never refused."""

from collections.abc import Iterator

from carthub_operator.api.conditions import Advice
from carthub_operator.api.resource import CartService
from carthub_operator.desired.connections import (
    HEALTH_CHECKS,
    most_connections,
    most_pods,
    pool_size,
)


def warnings(resource: CartService, *, server_connections: int | None) -> list[dict[str, str]]:
    """Return them for `.status.warnings`; `server_connections` is what PostgreSQL takes in all."""
    found = (*_of_access(resource), *_of_connections(resource, server_connections))
    return [{"reason": str(reason), "message": message} for reason, message in found]


def _of_access(resource: CartService) -> Iterator[tuple[Advice, str]]:
    spec = resource.spec
    if spec.auth.issuer is None:
        if spec.environment == "production":
            message = (
                "Whoever reaches the API may act for every customer: give spec.auth an issuer"
                " and an audience"
            )
            yield Advice.NO_AUTHENTICATION, message
    elif not spec.network.allow_to:
        keys = spec.auth.jwks_url or spec.auth.issuer
        message = (
            f"The network policy lets no pod reach {keys}, where the keys of tokens are: open"
            " the way in spec.network.allowTo"
        )
        yield Advice.ISSUER_SHUT_OFF, message


def _of_connections(
    resource: CartService, server_connections: int | None
) -> Iterator[tuple[Advice, str]]:
    most = most_connections(resource)
    if server_connections is None or most <= server_connections:
        return
    each = pool_size(resource) + HEALTH_CHECKS
    pods = f"{most_pods(resource)} pods with {each} each, and a migration"
    message = (
        f"Up to {most} connections ({pods}), where PostgreSQL takes {server_connections} in all:"
        " lower spec.autoscaling.maxReplicas, or raise max_connections"
    )
    yield Advice.TOO_MANY_CONNECTIONS, message
