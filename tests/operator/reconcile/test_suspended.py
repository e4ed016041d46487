"""What is told of a suspended CartService whose children are not what its spec asks for."""

from typing import Any

import pytest

from tests.support.world import World

BUDGET, SCALER = ("PodDisruptionBudget", "backend-pdb"), ("HorizontalPodAutoscaler", "backend-hpa")


def _change(world: World, **spec: Any) -> None:
    """Change fields of the spec, as a user does, and let the operator look at once."""
    live = world.cluster.find("CartService", "backend")
    live["metadata"]["generation"] += 1
    world.set("CartService", "backend", spec={**live["spec"], **spec})
    world.clock.seconds += 20.0
    world.reconcile()


def _ready(world: World) -> tuple[str, str]:
    status = world.cluster.find("CartService", "backend")["status"]
    ready = next(one for one in status["conditions"] if one["type"] == "Ready")
    return ready["status"], ready["reason"]


def _observed(world: World) -> int:
    observed: int = world.cluster.find("CartService", "backend")["status"]["observedGeneration"]
    return observed


@pytest.mark.parametrize(
    ("part", "place"),
    [("podDisruptionBudget", BUDGET), ("autoscaling", SCALER)],
    ids=["budget", "autoscaler"],
)
def test_a_child_that_is_yet_to_be_removed_is_told(
    settled: World, part: str, place: tuple[str, str]
) -> None:
    _change(settled, suspend=True, **{part: {"enabled": False}})

    assert _ready(settled) == ("Unknown", "Suspended")
    assert _observed(settled) == 1
    assert settled.cluster.find(*place)
    assert not [one for one in settled.cluster.writes if not one.startswith("status")]

    settled.suspend(is_wanted=False)
    settled.settle()
    assert _observed(settled) == 3
    assert f"delete {' '.join(place)}" in settled.cluster.writes


def test_a_removal_that_is_taken_back_is_no_longer_told(settled: World) -> None:
    _change(settled, suspend=True, podDisruptionBudget={"enabled": False})

    _change(settled, podDisruptionBudget={"enabled": True})

    assert _ready(settled) == ("True", "Ready")
    assert _observed(settled) == 3


def test_a_child_that_goes_already_is_not_waited_for(settled: World) -> None:
    live = settled.cluster.find(*BUDGET)
    going = {**live["metadata"], "deletionTimestamp": "2026-01-01T00:00:00Z"}
    settled.set(*BUDGET, metadata=going)

    _change(settled, suspend=True, podDisruptionBudget={"enabled": False})

    assert _ready(settled) == ("True", "Ready")
    assert _observed(settled) == 2


def test_suspending_alone_leaves_nothing_to_carry_out(settled: World) -> None:
    _change(settled, suspend=True)

    assert _ready(settled) == ("True", "Ready")
    assert _observed(settled) == 2
