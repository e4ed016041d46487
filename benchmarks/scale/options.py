"""How much of the operator's benchmark is run."""

import dataclasses
import enum
from collections.abc import Sequence
from dataclasses import dataclass


class Who(enum.Enum):
    """An operator to measure."""

    REFERENCE = "reference"
    PRODUCT = "product"
    # The product, each CartService with a secret of its own; with the least of the sizes.
    OWN_SECRETS = "own-secrets"


@dataclass(frozen=True)
class Options:
    """How many resources, how many edits, how long the idle window is."""

    sizes: Sequence[int] = (100, 500, 1000, 2000)
    who: Sequence[Who] = tuple(Who)
    nodes: int = 20
    # Longer than the refresh interval and its jitter: everything is passed over once.
    idle_seconds: float = 75.0
    refresh_interval: str = "60s"
    edits: int = 100
    edits_per_second: float = 4.0
    # Meanwhile so many resources a second get another log level, which rolls their pods.
    changes_per_second: float = 4.0
    creators: int = 8
    # For each resource, that none may be waited for longer: until they have converged, say.
    wait_seconds_each: float = 3.0
    # Nothing more is written for so long: it has settled.
    quiet_seconds: float = 4.0
    controller_manager_flags: tuple[str, ...] = ()


def options(*, is_short: bool, sizes: Sequence[int] = (), who: Sequence[Who] = ()) -> Options:
    """Return what was asked for; nothing asked for: all."""
    chosen = SHORT if is_short else Options()
    return dataclasses.replace(
        chosen, sizes=tuple(sizes) or chosen.sizes, who=tuple(who) or chosen.who
    )


SHORT = Options(
    sizes=(12,),
    nodes=2,
    idle_seconds=15.0,
    refresh_interval="10s",
    edits=6,
    changes_per_second=20.0,
    quiet_seconds=1.0,
    # The autoscaler tells of its metrics at once, which is the last that is written.
    controller_manager_flags=("--horizontal-pod-autoscaler-sync-period=500ms",),
)
