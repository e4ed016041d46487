"""An operator for each module, and a CartService in a namespace of its own for each test."""

from collections.abc import Iterator

import pytest

from carthub_dev import operator_process
from carthub_dev.aws import AwsServer
from carthub_dev.control_plane import ControlPlane
from carthub_dev.kubernetes_flags import ControlPlaneOptions
from carthub_dev.ledger import Ledger
from carthub_dev.operator_process import OperatorProcess, running_operator
from tests.support.live_cart import LiveCart, live_cart
from tests.support.live_operator import PASSWORD, aws_database, requests, settle


@pytest.fixture(scope="session")
def own_control_plane(
    control_plane_tools: None,  # noqa: ARG001 - built before any test
    ledger: Ledger,
) -> Iterator[ControlPlane]:
    """A control plane whose definitions and rights a test may change; it says what it needs.

    It checks more than the other: who may set the owner of an object, as some clusters do.
    """
    flags = ("--enable-admission-plugins=NodeRestriction,OwnerReferencesPermissionEnforcement",)
    with ControlPlane(ledger, ControlPlaneOptions(api_server_flags=flags)) as plane:
        yield plane


@pytest.fixture(scope="module")
def operator(
    control_plane: ControlPlane, aws_server: AwsServer, ledger: Ledger
) -> Iterator[OperatorProcess]:
    """The whole operator as a process, with its real identity and rights."""
    kubeconfig = operator_process.install(control_plane)
    with running_operator(control_plane, ledger, kubeconfig=kubeconfig, aws=aws_server) as running:
        yield running


@pytest.fixture
def cart(operator: OperatorProcess) -> Iterator[LiveCart]:
    """A namespace for a CartService; the operator must have every right that it uses."""
    start = operator.plane.audit_mark()
    with live_cart(operator.plane) as made:
        yield made
        refused = {
            f"{one.verb} {one.resource}"
            for one in requests(operator.plane, start, made.namespace)
            if one.code == 403
        }
        assert not refused, "the operator lacks rights"


@pytest.fixture
def secret_id(cart: LiveCart, aws_server: AwsServer) -> str:
    """A good secret at AWS."""
    name = f"test/{cart.namespace}"
    aws_server.put_secret(name, {"username": "carthub_blue", "password": PASSWORD})
    return name


@pytest.fixture
def ready(cart: LiveCart, secret_id: str, operator: OperatorProcess) -> LiveCart:
    """A CartService that is Ready, and of which nothing moves any more."""
    cart.apply(database=aws_database(secret_id))
    cart.wait_ready()
    settle(operator)
    return cart
