"""Argo CD on this machine: what compares and syncs, as plain processes beside a control plane.

The application controller, the repo server and redis. Its API server, UI and login are left out:
Applications are objects, and objects are all that a test needs of it.
"""

import base64
import json
import os
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

import yaml

from carthub_dev import packages, paths, ports, probe, programs, toolchain
from carthub_dev.control_plane import ControlPlane
from carthub_dev.kubectl import Kubectl, KubectlFailed
from carthub_dev.ledger import Ledger
from carthub_dev.part import Part
from carthub_dev.processes import Process, wait_until

NAMESPACE = "argocd"
# The health check of CartServices, as users install it.
SETTINGS = paths.REPOSITORY / "deploy" / "gitops" / "argocd"

_MODULE = "github.com/argoproj/argo-cd/v3"
_ADDRESS = "127.0.0.1"
_READY_SECONDS = 60.0
_ESTABLISHED_SECONDS = 20.0
_REFRESH = "argocd.argoproj.io/refresh"


class ArgoCd(Part):
    """Argo CD for one cluster; `settings` are added to its ConfigMap argocd-cm."""

    def __init__(
        self, ledger: Ledger, plane: ControlPlane, *, settings: Mapping[str, str] | None = None
    ) -> None:
        self.folder = Path()
        self._ledger = ledger
        self._plane = plane
        self._settings = settings or {}
        self.kubectl = Kubectl(plane.kubeconfig)
        self._tools = toolchain.tool_set("argocd")
        self._processes: list[Process] = []

    @property
    def destination(self) -> str:
        """What Applications name as `spec.destination.server`."""
        return self._plane.url

    def start(self) -> Self:
        """Install its definitions and settings, start it, and return once it answers."""
        packages.ensure(packages.GITOPS, "to run Argo CD", ledger=self._ledger)
        self.folder = self._ledger.make_directory("argocd")
        module = self._tools.module_folder(_MODULE)
        try:
            self._install(module / "manifests")
            # It asks this script about each commit, also where nobody wants signatures.
            script = self.folder / "git-verify-wrapper.sh"
            script.write_text((module / "hack" / script.name).read_text())
            script.chmod(0o755)
            redis = self._start_redis()
            repo_server = self._start_repo_server(redis)
            self._start_controller(redis, repo_server)
        except BaseException:
            self.close()
            raise
        return self

    def close(self) -> None:
        """End it and remove its files; its objects go with the cluster."""
        for process in reversed(self._processes):
            process.terminate()
        self._processes = []
        self._ledger.remove_directory(self.folder)

    def application(self, name: str) -> dict[str, Any]:
        """Return an Application as it is now."""
        return self.kubectl.get("application", name, "--namespace", NAMESPACE)

    def refresh(self, name: str) -> None:
        """Have it look at Git at once, as the webhook of a Git server does."""
        mark = f"{_REFRESH}=hard"
        self.kubectl("annotate", "application", name, "--namespace", NAMESPACE, "--overwrite", mark)

    def is_refreshing(self, name: str) -> bool:
        """Tell whether it has not done so yet."""
        return _REFRESH in self.application(name)["metadata"].get("annotations", {})

    def explain(self, name: str) -> str:
        """Return what it says of an Application, and the ends of the logs."""
        status = json.dumps(self.application(name).get("status"), indent=1)
        return "\n".join([status, *(f"{one.role}:\n{one.log_tail()}" for one in self._processes)])

    def _install(self, source: Path) -> None:
        self.kubectl("apply", "--server-side", "--kustomize", str(source / "crds"))
        own = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
        self.kubectl.apply([own])
        config = str(source / "base" / "config")
        self.kubectl("apply", "--server-side", "--namespace", NAMESPACE, "--kustomize", config)
        self.kubectl("apply", "--server-side", "--kustomize", str(SETTINGS))
        change = json.dumps({"data": self._settings})
        self.kubectl(
            *("patch", "configmap", "argocd-cm", "--namespace", NAMESPACE),
            *("--type", "merge", "--patch", change),
        )
        wait_until(self._knows_projects, _ESTABLISHED_SECONDS, what="the definition of AppProject")
        self.kubectl.apply([_session_key(), _any_project(), self._cluster_secret()])

    def _knows_projects(self) -> bool:
        # Not `kubectl wait`: it fails on a definition that has no conditions yet.
        try:
            self.kubectl("get", "appprojects,applications", "--namespace", NAMESPACE)
        except KubectlFailed:
            return False
        return True

    def _cluster_secret(self) -> dict[str, Any]:
        """Return this cluster as one that Argo CD is told of; it would look for itself in a pod."""
        config = yaml.safe_load(self._plane.kubeconfig.read_text())
        user, cluster = config["users"][0]["user"], config["clusters"][0]["cluster"]
        tls = {
            "caData": cluster["certificate-authority-data"],
            "certData": user["client-certificate-data"],
            "keyData": user["client-key-data"],
        }
        values = {
            "name": "embedded",
            "server": self.destination,
            "config": json.dumps({"tlsClientConfig": tls}),
        }
        return _secret("embedded", values, {"argocd.argoproj.io/secret-type": "cluster"})

    def _start_redis(self) -> str:
        def on(port: int) -> Process:
            words = [programs.program("redis-server"), "--bind", _ADDRESS, "--port", str(port)]
            words += ["--save", "", "--appendonly", "no", "--dir", str(self.folder)]
            return self._process("redis-server", words)

        def wait(process: Process) -> None:
            # It says no HTTP, and that it listens is enough.
            process.wait_until_ready(
                lambda: "Ready to accept connections" in process.log_tail(), _READY_SECONDS
            )

        return self._serving(on, wait)

    def _start_repo_server(self, redis: str) -> str:
        health = ports.free_port(_ADDRESS)

        def on(port: int) -> Process:
            return self._part(
                "argocd-repo-server",
                *("--address", _ADDRESS, "--port", str(port), "--redis", redis),
                *("--metrics-address", _ADDRESS, "--metrics-port", str(health)),
                *("--disable-tls", "--client-ca-path", ""),
            )

        return self._serving(on, lambda process: _wait_healthy(process, health))

    def _start_controller(self, redis: str, repo_server: str) -> None:
        def on(port: int) -> Process:
            return self._part(
                "argocd-application-controller",
                *("--kubeconfig", str(self._plane.kubeconfig), "--namespace", NAMESPACE),
                *("--repo-server", repo_server, "--repo-server-plaintext", "--redis", redis),
                *("--metrics-port", str(port)),
            )

        def wait(process: Process) -> None:
            _wait_healthy(process, int(process.argv[-1]))

        self._serving(on, wait)

    def _part(self, name: str, *flags: str) -> Process:
        """Return a part of Argo CD: one binary, and a variable says what it is."""
        home = self.folder / name
        home.mkdir(exist_ok=True)
        folders = {
            variable: str(home / variable.lower())
            for variable in ("ARGOCD_TLS_DATA_PATH", "ARGOCD_SSH_DATA_PATH", "ARGOCD_GPG_DATA_PATH")
        }
        for folder in folders.values():
            Path(folder).mkdir(exist_ok=True)
        environment = {
            **folders,
            "ARGOCD_BINARY_NAME": name,
            # Signed commits are another subject; without, it needs neither gpg nor a keyring.
            "ARGOCD_GPG_ENABLED": "false",
            "ARGOCD_ASK_PASS_SOCK": str(home / "ask-pass.sock"),
            "ARGOCD_CONTROLLER_SHARD": "0",
            "HOME": str(home),
            # Its clones of repositories are there.
            "TMPDIR": str(home),
        }
        return self._process(name, [str(self._tools.binary("argocd")), *flags], environment)

    def _process(
        self, role: str, words: list[str], environment: dict[str, str] | None = None
    ) -> Process:
        path = os.pathsep.join((str(self.folder), os.environ.get("PATH", os.defpath)))
        return Process(
            words,
            log=self.folder / f"{role}.log",
            ledger=self._ledger,
            role=role,
            cwd=self.folder,
            # Nothing else of the environment: a proxy variable would redirect what it asks for.
            env={"PATH": path, **(environment or {})},
        )

    def _serving(self, on: Callable[[int], Process], wait: Callable[[Process], None]) -> str:
        """Start a server on a free port and return its address."""
        process, port = ports.start_on_free_port(_ADDRESS, on, wait)
        self._processes.append(process)
        return f"{_ADDRESS}:{port}"


def _wait_healthy(process: Process, port: int) -> None:
    process.wait_until_ready(
        lambda: probe.answers(f"http://{_ADDRESS}:{port}/healthz"), _READY_SECONDS
    )


def _session_key() -> dict[str, Any]:
    """Return what its settings are not complete without, though nobody logs in."""
    return _secret("argocd-secret", {"server.secretkey": secrets.token_hex(16)}, {})


def _any_project() -> dict[str, Any]:
    """Return the project `default` as its API server makes it: everything from everywhere."""
    anything = [{"group": "*", "kind": "*"}]
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "AppProject",
        "metadata": {"name": "default", "namespace": NAMESPACE},
        "spec": {
            "sourceRepos": ["*"],
            "destinations": [{"server": "*", "namespace": "*"}],
            "clusterResourceWhitelist": anything,
        },
    }


def _secret(name: str, values: dict[str, str], labels: dict[str, str]) -> dict[str, Any]:
    part_of = {"app.kubernetes.io/part-of": "argocd"}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": {**part_of, **labels}},
        "data": {key: base64.b64encode(value.encode()).decode() for key, value in values.items()},
    }
