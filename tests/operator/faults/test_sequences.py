"""Random edits, deletions, kills and API faults; then quiet: everything is as a fresh install.

Each sequence has a seed of its own; they are printed. CARTHUB_SEED=N runs the one with this seed.
"""

import contextlib
import os
import random
import secrets
import signal
from collections.abc import Callable, Iterator

import pytest
from kubernetes import client

from carthub_dev.api_proxy import Answer, Loss, Request
from carthub_dev.aws import AwsServer
from carthub_dev.control_plane import ControlPlane
from carthub_dev.ledger import Ledger
from tests.support import likeness
from tests.support.cluster import eventually
from tests.support.fault_stage import Stage, fault_stage
from tests.support.likeness import NAMES
from tests.support.sizes import size

pytestmark = [pytest.mark.faults, pytest.mark.timeout(size(short=600, full=7200))]

_STEPS = 6
_FAULTY_SHARE = 0.3
_OPTIONAL_SHARE = 0.5
_FAULTS = (
    Answer(409, "Conflict"),
    Answer(429, "TooManyRequests", retry_after_seconds=1),
    Answer(500, "InternalError"),
    Answer(503, "ServiceUnavailable"),
    Loss.REQUEST,
    Loss.ANSWER,
)
# Edits by hand of what is ours, as merge patches. What somebody adds beside it stays.
_EDITS: dict[str, tuple[dict[str, object], ...]] = {
    "Deployment": ({"spec": {"template": {"spec": {"terminationGracePeriodSeconds": 1}}}},),
    "Service": ({"spec": {"ports": [{"port": 81, "targetPort": 81}]}},),
    "HorizontalPodAutoscaler": ({"spec": {"maxReplicas": 40}},),
    "NetworkPolicy": ({"spec": {"ingress": [{}]}},),
    "PodDisruptionBudget": ({"spec": {"maxUnavailable": 2}},),
    "ServiceAccount": ({"automountServiceAccountToken": True},),
    "Secret": ({"stringData": {"PGHOST": "elsewhere"}}, {"data": {"PGUSER": None}}),
    "Ingress": ({"spec": {"ingressClassName": "other"}}, {"spec": {"rules": [{"host": "a.b"}]}}),
}
# What makes a child ours: one of them may go, and comes back. Without both it is somebody else's,
# and that is told and never taken.
_MARKS: tuple[dict[str, object], ...] = (
    {"metadata": {"labels": {"carthub.io/owner-uid": None}}},
    {"metadata": {"ownerReferences": None}},
)


@contextlib.contextmanager
def _allowed(*statuses: int) -> Iterator[None]:
    try:
        yield
    except client.ApiException as error:
        if error.status not in statuses:
            raise


class Sequence:
    """Draws what happens to one stage, and remembers the spec as it was last applied."""

    def __init__(self, stage: Stage, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - repeatable on purpose
        self._stage = stage
        self._edits = {**_EDITS, "Deployment": (*_EDITS["Deployment"], self._random.choice(_MARKS))}
        self.spec: dict[str, object] = {}

    def run(self) -> None:
        """Do everything that was drawn."""
        steps: tuple[Callable[[], None], ...] = (
            self._edit_spec,
            self._edit_spec,
            self._edit_child,
            self._delete_child,
            self._rotate,
            self._kill,
            self._break,
        )
        self._edit_spec()
        for step in self._random.choices(steps, k=_STEPS):
            step()
            self._stage.cart.play()

    def _edit_spec(self) -> None:
        draw = self._random
        fewest = draw.randint(1, 4)
        scaling = {"minReplicas": fewest, "maxReplicas": fewest + draw.randint(0, 5)}
        optional: dict[str, object] = {
            "autoscaling": draw.choice([scaling, {"enabled": False}]),
            "podLabels": {"team": "shop"},
            "podDisruptionBudget": {"enabled": False},
            "env": [{"name": "EXTRA", "value": str(draw.randint(0, 9))}],
            "network": {"allowFrom": [{"namespaceSelector": {}}]},
            "replicas": draw.randint(1, 3),
            "ingress": {"enabled": True, "host": f"{draw.choice('ab')}.example.com"},
            "auth": {"issuer": "https://id.example.com", "audience": "carthub"},
            "serviceAccount": {"annotations": {"example.com/role": "cart"}},
            "scheduling": {"nodeSelector": {"disk": "ssd"}},
        }
        self.spec = {
            "image": f"registry.example.com/carthub-service:1.{draw.randint(0, 2)}.0",
            "logLevel": draw.choice(["DEBUG", "INFO"]),
            **{field: one for field, one in optional.items() if draw.random() < _OPTIONAL_SHARE},
        }
        self._stage.apply(**self.spec)

    def _edit_child(self) -> None:
        kind = self._random.choice(sorted(self._edits))
        edit = self._random.choice(self._edits[kind])
        # Not there at this moment, or refused.
        with _allowed(404, 409, 422):
            self._stage.cart.patch(kind, NAMES[kind], edit)

    def _delete_child(self) -> None:
        kind = self._random.choice(sorted(NAMES))
        with _allowed(404):
            self._stage.cart.delete(kind, NAMES[kind])

    def _rotate(self) -> None:
        self._stage.rotate()

    def _kill(self) -> None:
        stage = self._stage
        stage.operator.process.signal(signal.SIGKILL)
        stage.operator.stop()
        stage.operator = stage.new_operator()
        # What is drawn next happens while it comes up.
        stage.operator.process.start()

    def _break(self) -> None:
        draw, left = self._random, self._random.randint(1, 20)

        def decide(request: Request) -> Answer | Loss | None:
            nonlocal left
            if left <= 0 or request.is_watch:
                return None
            left -= 1
            return draw.choice(_FAULTS) if draw.random() < _FAULTY_SHARE else None

        self._stage.proxy.decide = decide


def _seeds() -> list[int]:
    if chosen := os.environ.get("CARTHUB_SEED"):
        return [int(chosen)]
    first = secrets.randbelow(2**32)
    return [first + number for number in range(size(short=10, full=300))]


def test_any_sequence_ends_as_a_fresh_install(
    control_plane: ControlPlane, ledger: Ledger, aws_server: AwsServer
) -> None:
    seeds = _seeds()
    print(f"seeds {seeds[0]} to {seeds[-1]}")  # noqa: T201 - to repeat the run
    with fault_stage(control_plane, ledger, aws_server) as stage:
        for number, seed in enumerate(seeds, 1):
            # Each begins with what the one before left: a fresh install.
            sequence = Sequence(stage, seed)
            try:
                sequence.run()
                _comes_to_rest(stage)
                found = likeness.children(stage.cart)
                assert found == _fresh(stage, sequence.spec)
            except AssertionError as error:
                raise AssertionError(f"sequence {number} of {len(seeds)}, seed {seed}") from error
    print(f"{len(seeds)} of {len(seeds)} sequences passed")  # noqa: T201 - the figure of the run


def _comes_to_rest(stage: Stage) -> None:
    """Wait until it is Ready with the last secret, and a further pass writes nothing."""
    stage.proxy.decide = None
    stage.rotate()
    stage.cart.eventually(stage.has_rotated, what="Ready, with the last password")
    stage.cart.eventually(lambda: _is_quiet(stage), what="a pass without a write")


def _is_quiet(stage: Stage) -> bool:
    """Tell whether the operator makes a pass now, and writes nothing in it."""
    mark, passes = stage.plane.audit_mark(), stage.operator.passes()
    # A label of nobody's is news, and changes nothing that anybody declared.
    change = {"metadata": {"labels": {"test.example.com/nudge": str(mark)}}}
    stage.cart.patch("CartService", "backend", change)
    eventually(lambda: stage.operator.passes() > passes, what="a pass")
    return not stage.operator_writes(mark)


def _fresh(stage: Stage, spec: dict[str, object]) -> object:
    """Return the children of a fresh install of this spec, by the same operator."""
    stage.cart.delete("CartService", "backend")
    for kind, name in NAMES.items():
        eventually(
            lambda: stage.cart.get(kind, name) is None,  # noqa: B023 - used in this round only
            what=f"{kind} is gone",
            timeout_seconds=60,
        )
    for job in stage.cart.items("Job"):
        stage.cart.delete("Job", job["metadata"]["name"])
    eventually(lambda: not stage.cart.items("Job"), what="no Job is left")
    stage.apply(**spec)
    stage.cart.eventually(stage.has_rotated, what="the fresh install is Ready")
    return likeness.children(stage.cart)
