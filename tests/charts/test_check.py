"""What `helm test` runs in a pod, beside a real operator."""

import runpy
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from carthub_dev import operator_process
from carthub_dev.control_plane import ControlPlane
from carthub_dev.helm import CHART
from carthub_dev.ledger import Ledger
from carthub_dev.operator_process import OperatorProcess, running_operator
from carthub_dev.ports import free_port
from tests.support.cluster import eventually

_CHECK = CHART / "files" / "check.py"
_LEASE = {"CARTHUB_LEASE_NAMESPACE": operator_process.NAMESPACE}

Check = Callable[..., str]


@pytest.fixture(scope="module")
def operator(control_plane: ControlPlane, ledger: Ledger) -> Iterator[OperatorProcess]:
    kubeconfig = operator_process.install(control_plane)
    with running_operator(control_plane, ledger, kubeconfig=kubeconfig, settings=_LEASE) as running:
        yield running


@pytest.fixture
def check() -> Check:
    found: Check = runpy.run_path(str(_CHECK))["main"]
    return found


def test_one_that_is_ready_and_writes_is_well(operator: OperatorProcess) -> None:
    done = subprocess.run(
        [sys.executable, str(_CHECK), "127.0.0.1", str(operator.port), "1"],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert "one of them writes" in done.stdout


def test_a_replica_that_is_missing_is_told(operator: OperatorProcess, check: Check) -> None:
    said = check("127.0.0.1", operator.port, 2, patience_seconds=0)

    assert said == "127.0.0.1 names 1 replicas, must be 2"


def test_one_that_does_not_answer_is_told(check: Check) -> None:
    said = check("127.0.0.1", free_port("127.0.0.1"), 1, patience_seconds=0)

    assert said.startswith("127.0.0.1 is not ready: ")


def test_a_name_that_nobody_has_is_told(check: Check) -> None:
    assert check("no.invalid", 8080, 1, patience_seconds=0).startswith("no.invalid names 0")


def test_a_standby_alone_is_told(
    operator: OperatorProcess, control_plane: ControlPlane, ledger: Ledger, check: Check
) -> None:
    eventually(lambda: operator.metric("carthub_leader") == 1, what="the operator leads")
    kubeconfig = control_plane.folder / "carthub-operator.kubeconfig"
    with running_operator(control_plane, ledger, kubeconfig=kubeconfig, settings=_LEASE) as standby:
        said = check("127.0.0.1", standby.port, 1, patience_seconds=0)

    assert said == "0 replicas write, must be 1"
