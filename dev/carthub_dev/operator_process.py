"""The whole operator as a process, with the identity and the rights that it has in a cluster.

For tests and the benchmark, which have no node that could run its pod.
"""

import http
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from carthub_dev import paths, toolchain
from carthub_dev.aws import AwsServer
from carthub_dev.control_plane import ControlPlane
from carthub_dev.kubectl import Kubectl
from carthub_dev.ledger import Ledger
from carthub_dev.ports import free_port
from carthub_dev.processes import Process, wait_until

NAMESPACE = "carthub-system"
USER = f"system:serviceaccount:{NAMESPACE}:carthub-operator"
# What gives it rights in one namespace (deploy/namespaced).
BINDING = "carthub-operator-cartservices"
# Namespaces test-* may have the secrets below test/, and nobody another.
ALLOW_LIST = {"test-*": ["test/*"]}
ROLE_ALLOW_LIST = {"test-*": ["arn:aws:iam::210987654321:role/test-*"]}
# What the identity needs; pods of the operator itself are for the node tier.
_IDENTITY = frozenset(
    {"Namespace", "ServiceAccount", "ClusterRole", "ClusterRoleBinding"} | {"Role", "RoleBinding"}
)
_READY_SECONDS = 60.0
_ESTABLISHED_SECONDS = 60.0
# As a pod has.
_GRACE_SECONDS = 30.0


def manifests(form: str) -> list[dict[str, Any]]:
    """Return what `kubectl apply -k deploy/<form>` applies."""
    done = subprocess.run(
        [str(toolchain.kubectl()), "kustomize", str(paths.REPOSITORY / "deploy" / form)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return list(yaml.safe_load_all(done.stdout))


def _is_established(kubectl: Kubectl, crds: str) -> bool:
    # Neither `kubectl wait` nor a JSONPath: both fail where there are no conditions yet.
    told = kubectl.get("-f", crds).get("status", {}).get("conditions") or ()
    return ("Established", "True") in [(one["type"], one["status"]) for one in told]


def install(plane: ControlPlane, *, namespace: str = "") -> Path:
    """Install CRD, identity and rights as a user does; return the operator's kubeconfig.

    With a namespace it has rights in that one alone.
    """
    kubectl = Kubectl(plane.kubeconfig)
    crds = str(paths.REPOSITORY / "crds")
    kubectl("apply", "--server-side", "--force-conflicts", "-f", crds)
    wait_until(lambda: _is_established(kubectl, crds), _ESTABLISHED_SECONDS, what="the definition")
    objects = [
        one
        for one in manifests("namespaced" if namespace else "operator")
        if one["kind"] in _IDENTITY
    ]
    if namespace:
        kubectl("delete", "clusterrolebinding", "carthub-operator", "--ignore-not-found")
        for one in objects:
            if one["metadata"]["name"] == BINDING:
                one["metadata"]["namespace"] = namespace
    kubectl("apply", "-f", "-", text=yaml.safe_dump_all(objects))
    token = kubectl("create", "token", "carthub-operator", "-n", NAMESPACE, "--duration=6h")
    config = yaml.safe_load(plane.kubeconfig.read_text())
    config["users"][0]["user"] = {"token": token.strip()}
    file = plane.folder / "carthub-operator.kubeconfig"
    file.touch(mode=0o600)
    file.write_text(yaml.safe_dump(config))
    return file


class OperatorProcess:
    """`python -m carthub_operator`, started and stopped; a context manager."""

    def __init__(
        self,
        plane: ControlPlane,
        ledger: Ledger,
        *,
        kubeconfig: Path,
        aws: AwsServer | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.plane = plane
        self.port = free_port("127.0.0.1")
        log = plane.folder / f"operator-{self.port}.log"
        kept = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
        self._process = Process(
            [sys.executable, "-m", "carthub_operator"],
            log=log,
            ledger=ledger,
            role="operator",
            grace_seconds=_GRACE_SECONDS,
            env={
                **kept,
                "KUBECONFIG": str(kubeconfig),
                # The databases of most tests are names only.
                "CARTHUB_CHECK_LOGINS": "false",
                "CARTHUB_HTTP_HOST": "127.0.0.1",
                "CARTHUB_HTTP_PORT": str(self.port),
                "CARTHUB_SECRET_ALLOW_LIST": json.dumps(ALLOW_LIST),
                "CARTHUB_ROLE_ALLOW_LIST": json.dumps(ROLE_ALLOW_LIST),
                **(aws.environment if aws else {}),
                **(settings or {}),
            },
        )

    @property
    def process(self) -> Process:
        """The process, to signal or kill."""
        return self._process

    @property
    def log(self) -> str:
        """Everything it has logged."""
        return self._process.log.read_text()

    def start(self) -> "OperatorProcess":
        """Start it and return when it is ready."""
        self._process.start()
        self._process.wait_until_ready(lambda: self.answers("/readyz"), _READY_SECONDS)
        return self

    def stop(self) -> float:
        """Stop it as Kubernetes does; return how many seconds that took."""
        started = time.monotonic()
        self._process.terminate()
        return time.monotonic() - started

    def answers(self, path: str) -> bool:
        """Tell whether a health path answers 200."""
        return self._get(path)[0] == http.HTTPStatus.OK

    def metrics(self) -> str:
        """Return what it tells a scraper."""
        return self._get("/metrics")[1]

    def metric(self, name: str, **labels: str) -> float:
        """Return the sum of a metric's samples that carry the labels."""
        total = 0.0
        for line in self.metrics().splitlines():
            sample, _, value = line.rpartition(" ")
            if sample.split("{")[0] == name and all(
                f'{key}="{text}"' in sample for key, text in labels.items()
            ):
                total += float(value)
        return total

    def passes(self) -> float:
        """Return how many passes it has made."""
        return self.metric("carthub_reconcile_seconds_count")

    def _get(self, path: str) -> tuple[int, str]:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()


@contextmanager
def running_operator(
    plane: ControlPlane,
    ledger: Ledger,
    *,
    kubeconfig: Path,
    aws: AwsServer | None = None,
    settings: Mapping[str, str] | None = None,
) -> Iterator[OperatorProcess]:
    """Yield a ready operator with the parameters of OperatorProcess."""
    operator = OperatorProcess(plane, ledger, kubeconfig=kubeconfig, aws=aws, settings=settings)
    try:
        yield operator.start()
    finally:
        operator.stop()
