"""Who is measured: the product's operator and the reference's, each with its own resource."""

import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

import psutil

from benchmarks.scale.api import Collection, Object
from benchmarks.scale.stage import SECRET_ID, Stage
from carthub_dev import operator_process, paths, ports, probe
from carthub_dev.audit import Event
from carthub_dev.aws import REGION
from carthub_dev.kubectl import Kubectl
from carthub_dev.operator_process import OperatorProcess
from carthub_dev.processes import Process

_KIBIBYTE = 1 << 10
_MEBIBYTE = 1 << 20
_READY_SECONDS = 60.0
_IMAGE = "registry.example.com/carthub-service:1.4.0"
_REFERENCE = paths.REPOSITORY / "benchmarks" / "reference_operator"


class Subject(Protocol):
    """An operator under measurement."""

    name: str
    # How the API server knows it.
    user: str
    # Its resources, their Services, and the label that those select pods by.
    resources: Collection
    services: Collection
    selector: str

    @property
    def process(self) -> Process:
        """Its process."""

    def start(self) -> None:
        """Start it, and return when it works."""

    def stop(self) -> None:
        """Stop it as Kubernetes does."""

    def resource(self, number: int) -> Object:
        """Return a resource as a user writes it."""

    def converged(self) -> int:
        """Return how many resources are what their spec says."""

    def has_told_all(self) -> bool:
        """Tell whether nothing more is to be told of resources that have converged."""

    def has_looked(self, asked: Sequence[Event], count: int) -> bool:
        """Tell whether it has looked at so many resources since it started."""


def name(number: int) -> str:
    """Return the name of a resource."""
    return f"shop-{number:04}"


def service(number: int) -> str:
    """Return the name of a resource's Service."""
    return f"{name(number)}-service"


class Product:
    """The operator as it is installed, with its own identity; all defaults are on."""

    user = operator_process.USER
    selector = "app.kubernetes.io/instance"

    def __init__(self, stage: Stage, *, has_own_secrets: bool = False) -> None:
        self.name = "product, own secrets" if has_own_secrets else "product"
        # The operator's allow-list knows namespaces of this prefix.
        stage.make_namespace("test-product")
        self.resources = Collection("/apis/carthub.io/v1", "test-product", "cartservices")
        self.services = Collection("/api/v1", "test-product", "services")
        self._stage = stage
        self._has_own_secrets = has_own_secrets
        kubeconfig = operator_process.install(stage.plane)
        self.operator = OperatorProcess(
            stage.plane, stage.ledger, kubeconfig=kubeconfig, aws=stage.aws
        )

    @property
    def process(self) -> Process:
        """Its process."""
        return self.operator.process

    def start(self) -> None:
        """Start it, and return when it is ready."""
        self.operator.start()

    def stop(self) -> None:
        """Stop it as Kubernetes does."""
        self.operator.stop()

    def resource(self, number: int) -> Object:
        """Return a CartService; a secret of its own is made for it."""
        secret_id = SECRET_ID
        if self._has_own_secrets:
            secret_id = f"test/{name(number)}"
            self._stage.put_secret(secret_id)
        source = {
            "secretId": secret_id,
            "region": REGION,
            "refreshInterval": self._stage.options.refresh_interval,
        }
        return {
            "apiVersion": "carthub.io/v1",
            "kind": "CartService",
            "metadata": {"name": name(number)},
            "spec": {"image": _IMAGE, "database": {"credentials": {"secretsManager": source}}},
        }

    def converged(self) -> int:
        """Return how many are Ready for the spec that they have now."""
        return sum(_told(one, "Ready") == "True" for one in self._live())

    def has_told_all(self) -> bool:
        """Tell whether the autoscaler's word, which is the last, is told of everywhere."""
        return all(_told(one, "AutoscalingReady") == "False" for one in self._live())

    def has_looked(self, asked: Sequence[Event], count: int) -> bool:  # noqa: ARG002 - it says so itself
        """Tell whether it has made so many passes."""
        return self.operator.passes() >= count

    def _live(self) -> list[Object]:
        return self._stage.api.objects(self.resources)


class Reference:
    """The tutorial's operator under `kopf run`, as an administrator of the cluster."""

    name = "reference"
    user = "reference-operator"
    selector = "app"

    def __init__(self, stage: Stage) -> None:
        stage.make_namespace("reference")
        self.resources = Collection("/apis/tutorial.example.com/v1", "reference", "cartapps")
        self.services = Collection("/api/v1", "reference", "services")
        self._deployments = Collection("/apis/apps/v1", "reference", "deployments")
        self._stage = stage
        kubectl = Kubectl(stage.plane.kubeconfig)
        crd = str(_REFERENCE / "crd.yaml")
        kubectl("apply", "--server-side", "-f", crd)
        kubectl("wait", "--for=condition=Established", "-f", crd)
        kubeconfig = stage.plane.kubeconfig_for(self.user, ["system:masters"])
        self._health = f"http://127.0.0.1:{ports.free_port()}/healthz"
        self.process = Process(
            [
                *(sys.executable, "-m", "kopf", "run", "--standalone", "--all-namespaces"),
                *("--quiet", f"--liveness={self._health}", _REFERENCE / "main.py"),
            ],
            log=stage.plane.folder / "reference-operator.log",
            ledger=stage.ledger,
            role="reference operator",
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(stage.plane.folder),
                "PYTHONPATH": str(paths.REPOSITORY),
                "KUBECONFIG": str(kubeconfig),
                **stage.aws.environment,
            },
        )

    def start(self) -> None:
        """Start it, and return when its health path answers."""
        self.process.start()
        self.process.wait_until_ready(lambda: probe.answers(self._health), _READY_SECONDS)

    def stop(self) -> None:
        """Stop it as Kubernetes does."""
        self.process.terminate()

    def resource(self, number: int) -> Object:
        """Return a CartApp."""
        return {
            "apiVersion": "tutorial.example.com/v1",
            "kind": "CartApp",
            "metadata": {"name": name(number)},
            "spec": {"image": _IMAGE, "secretId": SECRET_ID},
        }

    def converged(self) -> int:
        """Return how many Deployments are rolled out: it has no condition of its own."""
        return sum(map(_is_rolled_out, self._stage.api.objects(self._deployments)))

    def has_told_all(self) -> bool:
        """Tell whether every handler has ended and said so."""
        live = self._stage.api.objects(self.resources)
        return all(one.get("status", {}).get("phase") for one in live)

    def has_looked(self, asked: Sequence[Event], count: int) -> bool:
        """Tell whether it has written so many autoscalers, which come last."""
        return len(_patched(asked, "horizontalpodautoscalers")) >= count


def peak_mebibytes(process: Process) -> float:
    """Return the most memory that a process has held at a time."""
    status = Path(f"/proc/{process.pid}/status").read_text("ascii")
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * _KIBIBYTE / _MEBIBYTE


def mebibytes(process: Process) -> float:
    """Return the memory that a process holds."""
    return psutil.Process(process.pid).memory_info().rss / _MEBIBYTE


def _patched(asked: Iterable[Event], resource: str) -> set[str]:
    return {one.name for one in asked if one.verb == "patch" and one.resource == resource}


def _told(resource: Object, kind: str) -> str:
    for told in resource.get("status", {}).get("conditions", ()):
        if told["type"] == kind:
            is_current = told["observedGeneration"] == resource["metadata"]["generation"]
            return str(told["status"]) if is_current else ""
    return ""


def _is_rolled_out(deployment: Object) -> bool:
    spec, status = deployment["spec"], deployment.get("status", {})
    return bool(
        status.get("observedGeneration") == deployment["metadata"]["generation"]
        and status.get("updatedReplicas") == spec["replicas"] == status.get("replicas")
        and status.get("availableReplicas") == spec["replicas"]
    )
