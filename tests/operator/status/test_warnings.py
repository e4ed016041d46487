"""What works and is warned of all the same."""

from typing import Any

import pytest

from carthub_operator import news
from carthub_operator.desired.connections import most_connections
from carthub_operator.status.report import status_for
from carthub_operator.status.warnings import warnings
from tests.support.resources import cart_service, observation

AUTH = {"issuer": "https://id.example.com", "audience": "carthub"}
OPEN = {"allowTo": [{"ports": [{"port": 443}]}]}


def _reasons(server_connections: int | None = None, **spec: Any) -> list[str]:
    told = warnings(cart_service(**spec), server_connections=server_connections)
    return [one["reason"] for one in told]


@pytest.mark.parametrize(
    ("spec", "reasons"),
    [
        ({}, ["NoAuthentication"]),
        ({"environment": "development"}, []),
        ({"auth": AUTH}, ["IssuerShutOff"]),
        ({"auth": AUTH, "network": OPEN}, []),
    ],
)
def test_an_api_that_is_open_or_cannot_read_tokens(
    spec: dict[str, Any], reasons: list[str]
) -> None:
    assert _reasons(**spec) == reasons


@pytest.mark.parametrize(
    ("spec", "most"),
    [
        # 15 pods and one of a rollout, 16 and a health check each, and a migration.
        ({}, 273),
        ({"autoscaling": {"enabled": False}, "replicas": 3}, 69),
        ({"env": [{"name": "DB_POOL_SIZE", "value": "10"}]}, 177),
        ({"env": [{"name": "DB_POOL_SIZE", "value": "many"}]}, 273),
        ({"env": [{"name": "DB_POOL_SIZE", "value": "99999999999"}]}, 273),
    ],
)
def test_the_most_connections(spec: dict[str, Any], most: int) -> None:
    assert most_connections(cart_service(**spec)) == most


def test_more_connections_than_postgresql_takes_are_warned_of() -> None:
    assert "TooManyConnections" not in _reasons()
    assert "TooManyConnections" not in _reasons(273)
    assert "TooManyConnections" in _reasons(272)


def test_what_postgresql_takes_is_remembered_in_the_status() -> None:
    first = status_for(cart_service(), observation(server_connections=50), now="now")
    assert first["database"]["maxConnections"] == 273
    assert first["database"]["serverMaxConnections"] == 50

    again = status_for(cart_service(status=first), observation(), now="now")

    assert again == first


def test_a_warning_is_one_event_and_goes_with_its_cause() -> None:
    before: dict[str, Any] = {"observedGeneration": -1}
    warned = status_for(cart_service(), observation(), now="now")
    mended = status_for(cart_service(environment="development"), observation(), now="now")

    told = [one.reason for one in news.of_status(before, warned) if one.is_warning]

    assert told == ["NoAuthentication"]
    assert not [one for one in news.of_status(warned, warned) if one.is_warning]
    assert "warnings" not in mended
