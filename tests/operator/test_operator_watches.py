"""Watches that break in every way: what was missed is found long before the next resync."""

from collections.abc import Iterator

import pytest

from carthub_dev import operator_process
from carthub_dev.api_proxy import Answer, Loss, Request
from carthub_dev.aws import AwsServer
from carthub_dev.control_plane import ControlPlane
from carthub_dev.ledger import Ledger
from tests.support import crd
from tests.support.cluster import Cluster
from tests.support.fault_stage import Stage, fault_stage

# Far below the 300 s between two resyncs.
SOON_SECONDS = 60


@pytest.fixture
def stage(control_plane: ControlPlane, ledger: Ledger, aws_server: AwsServer) -> Iterator[Stage]:
    with fault_stage(control_plane, ledger, aws_server) as made:
        made.apply()
        made.cart.wait_ready()
        yield made


@pytest.mark.parametrize("code", [410, 404, 400])
def test_a_watch_that_is_refused_leaves_nobody_blind(stage: Stage, code: int) -> None:
    refused = []

    def decide(request: Request) -> Answer | None:
        if request.is_watch and request.path not in refused:
            refused.append(request.path)
            return Answer(code, "Gone")
        return None

    # Everything is away, and comes back with another history.
    stage.proxy.decide = lambda _: Loss.REQUEST
    stage.proxy.cut()
    stage.cart.delete("Service", "backend-service")
    stage.proxy.decide = decide

    stage.cart.eventually(
        lambda: stage.cart.get("Service", "backend-service"),
        what="the Service again",
        timeout_seconds=SOON_SECONDS,
    )
    assert refused
    stage.cart.patch("CartService", "backend", {"spec": {"logLevel": "DEBUG"}})
    stage.cart.wait_ready(timeout_seconds=SOON_SECONDS)
    assert stage.operator.metric("carthub_watches_ended_total") == 0
    assert stage.operator.answers("/healthz")


def test_a_definition_that_goes_and_comes_back_is_watched_again(
    own_control_plane: ControlPlane, ledger: Ledger, aws_server: AwsServer
) -> None:
    plane = own_control_plane
    with fault_stage(plane, ledger, aws_server) as stage:
        stage.apply()
        stage.cart.wait_ready()
        kubectl = Cluster(plane.kubeconfig).kubectl

        kubectl("delete", "crd", crd.NAME)
        assert stage.operator.answers("/healthz")
        operator_process.install(plane)

        stage.apply()
        stage.cart.wait_ready(timeout_seconds=SOON_SECONDS)
