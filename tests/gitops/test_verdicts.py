"""What Argo CD and Flux say of a CartService, at every moment of its life.

A live CartService goes through all that can become of it; the API server's own history has every
version that a GitOps tool could have met, and both tools' own programs judge them.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from carthub_dev.aws import AwsServer
from carthub_dev.control_plane import ControlPlane
from carthub_dev.ledger import Ledger
from carthub_operator.api import names
from tests.support import judges, markdown
from tests.support.fault_stage import Stage, fault_stage
from tests.support.history import History, at, conditions, revision
from tests.support.live_cart import Object, container_statuses, running, waiting

# Building Argo CD is not part of it; some hundred runs of its program are.
pytestmark = [pytest.mark.usefixtures("gitops_judges"), pytest.mark.timeout(400)]

_IMAGES = "registry.example.com/carthub-service"
# State -> what Argo CD and what kstatus call it; docs/gitops.md has the same.
EXPECTED = {
    "just created": ("Progressing", "InProgress"),
    "migrating": ("Progressing", "InProgress"),
    "rolling out": ("Progressing", "InProgress"),
    "ready": ("Healthy", "Current"),
    "spec changed, not looked at yet": ("Progressing", "InProgress"),
    "migration failed": ("Degraded", "Failed"),
    "image cannot be pulled": ("Degraded", "Failed"),
    "bad secret": ("Degraded", "Failed"),
    "suspended": ("Suspended", "Current"),
    "suspended, spec changed": ("Suspended", "InProgress"),
    "being deleted": ("Progressing", "Terminating"),
}
_SAME = {
    "Healthy": {"Current"},
    "Progressing": {"InProgress", "Terminating"},
    "Degraded": {"Failed"},
    # kstatus has no word for it.
    "Suspended": {"Current", "InProgress"},
}


@dataclass(frozen=True)
class Life:
    """What became of the CartService."""

    states: dict[str, Object]
    versions: list[Object]
    deployments: list[Object]


@pytest.fixture(scope="module")
def stage(control_plane: ControlPlane, ledger: Ledger, aws_server: AwsServer) -> Iterator[Stage]:
    with fault_stage(control_plane, ledger, aws_server) as made:
        yield made


@pytest.fixture(scope="module")
def life(stage: Stage, aws_server: AwsServer) -> Life:
    """A CartService from its creation to its deletion, with all that can go wrong between."""
    cart = stage.cart
    history = History(cart, "CartService", "Deployment")
    states: dict[str, Object] = {}

    def change(**spec: object) -> Object:
        return cart.patch("CartService", "backend", {"spec": spec})

    def keep(state: str, kind: str, status: str, reason: str = "") -> None:
        cart.wait_for(kind, status, reason)
        states[state] = cart.resource()

    cart.migration_status = cart.pod_status = _starts
    states["just created"] = stage.apply()
    keep("migrating", "Reconciling", "True", "Migrating")
    cart.migration_status = None
    keep("rolling out", "Reconciling", "True", "RollingOut")
    cart.pod_status = running
    keep("ready", "Ready", "True")

    cart.migration_fails = "relation carts is in use"
    states["spec changed, not looked at yet"] = change(image=f"{_IMAGES}:1.5.0")
    keep("migration failed", "Stalled", "True", "MigrationFailed")
    cart.migration_fails = None
    change(image=states["ready"]["spec"]["image"])
    cart.wait_ready()

    cart.pod_status = lambda pod: waiting(pod, "ImagePullBackOff")
    change(image=f"{_IMAGES}:1.6.0")
    keep("image cannot be pulled", "Stalled", "True", "ImagePullFailed")
    cart.pod_status = running
    change(image=f"{_IMAGES}:1.7.0", logLevel="DEBUG")
    cart.wait_ready()

    aws_server.rotate(stage.secret_id, {"username": "carthub_blue"})
    stage.sync()
    keep("bad secret", "Stalled", "True", "SecretMalformed")
    stage.rotate()
    cart.eventually(stage.has_rotated, what="the new password rolled out")

    change(suspend=True)
    keep("suspended", "Suspended", "True")
    change(logLevel="INFO")
    keep("suspended, spec changed", "Ready", "Unknown")
    change(suspend=False)
    cart.wait_ready()

    held = {"metadata": {"finalizers": ["test.example.com/held"]}}
    cart.patch("CartService", "backend", held)
    cart.delete("CartService", "backend")
    states["being deleted"] = cart.resource()
    versions = history.versions("CartService")
    deployments = history.versions("Deployment")
    cart.patch("CartService", "backend", {"metadata": {"finalizers": None}})
    assert revision(versions[-1]) >= revision(states["being deleted"])
    return Life(states, versions, deployments)


def _starts(pod: Object) -> Object:
    """Return the status of a pod whose image is on its way."""
    state = {"waiting": {"reason": "ContainerCreating"}}
    return {
        "phase": "Pending",
        "containerStatuses": container_statuses(pod, state, is_ready=False),
    }


def test_each_state_has_its_verdict(life: Life) -> None:
    objects = list(life.states.values())
    argo = dict(zip(life.states, judges.argo(objects), strict=True))
    kstatus = dict(zip(life.states, judges.kstatus(objects), strict=True))
    for state in life.states:
        row = (state, argo[state].word, kstatus[state].word, argo[state].message)
        print(" | ".join(row))  # noqa: T201 - the table of the run

    assert {state: (argo[state].word, kstatus[state].word) for state in argo} == EXPECTED
    for state, told in argo.items():
        if told.word == "Degraded":
            assert told.message == kstatus[state].message
    assert "relation carts is in use" in argo["migration failed"].message
    assert f"cannot pull {_IMAGES}:1.6.0" in argo["image cannot be pulled"].message
    assert "password" in argo["bad secret"].message
    assert "set spec.suspend to false" in argo["suspended, spec changed"].message


def test_the_documentation_has_the_same_table() -> None:
    rows = markdown.table("gitops.md", "## What the tools say")

    assert {row[0]: (row[1], row[2]) for row in rows} == {
        state: (argo, kstatus) for state, (argo, kstatus) in EXPECTED.items()
    }


def test_both_agree_at_every_moment_and_neither_is_early(life: Life) -> None:
    different = {_what_is_judged(one): one for one in life.versions}
    objects = list(different.values())
    verdicts = zip(judges.argo(objects), judges.kstatus(objects), strict=True)
    told = dict(zip(different, verdicts, strict=True))

    passed = []
    for one in life.versions:
        argo, kstatus = told[_what_is_judged(one)]
        passed.append(argo.word)
        assert kstatus.word in _SAME[argo.word], (argo, kstatus, one)
        if kstatus.word == "Current" and not one["spec"]["suspend"]:
            assert _serves(one, at(life.deployments, revision(one))), one
    runs = [word for before, word in zip(["", *passed], passed, strict=False) if word != before]
    print(f"{len(life.versions)} versions: {', '.join(runs)}")  # noqa: T201 - the figure of the run

    assert passed[0] == "Progressing"
    assert passed.count("Healthy") >= 5
    assert {"Degraded", "Suspended"} <= set(passed)


def _what_is_judged(one: Object) -> str:
    """Return what of a version a verdict can depend on."""
    metadata, status = one["metadata"], one.get("status", {})
    return json.dumps(
        [
            metadata["generation"],
            metadata.get("deletionTimestamp") is None,
            one["spec"]["suspend"],
            status.get("observedGeneration"),
            [
                [told[key] for key in ("type", "status", "message")]
                for told in conditions(one).values()
            ],
        ]
    )


def _serves(one: Object, deployment: Object | None) -> bool:
    """Tell whether the pods of that moment were all of this spec and this secret, and Ready."""
    if deployment is None:
        return False
    spec, live = deployment["spec"], deployment["status"]
    (container,) = spec["template"]["spec"]["containers"]
    rolled = spec["template"]["metadata"]["annotations"][names.ANNOTATION_SECRET_VERSION]
    counts = [live.get(key) for key in ("replicas", "updatedReplicas", "availableReplicas")]
    return (
        container["image"] == one["spec"]["image"]
        and {"name": "LOG_LEVEL", "value": one["spec"]["logLevel"]} in container["env"]
        and rolled == one["status"]["database"]["secretVersionId"]
        and live["observedGeneration"] == deployment["metadata"]["generation"]
        and counts == [spec["replicas"]] * len(counts)
    )
