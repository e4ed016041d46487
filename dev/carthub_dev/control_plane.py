"""A real control plane without root: etcd, kube-apiserver, controllers and, if asked, a scheduler.

Garbage collection, server-side apply, CEL, RBAC and Pod Security are the real thing. Alone it
listens on loopback; the node tier gives it an address that the nodes reach.
"""

import os
import ssl
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

from carthub_dev import audit, kubernetes_flags, pki, ports, probe, toolchain
from carthub_dev.errors import ProcessEnded
from carthub_dev.kubernetes_flags import ControlPlaneOptions
from carthub_dev.ledger import Ledger
from carthub_dev.part import Part
from carthub_dev.processes import Process

_READY_SECONDS = 60.0


class ControlPlane(Part):
    """etcd, kube-apiserver, kube-controller-manager and perhaps kube-scheduler.

    `authority` signs kubelets and users, `front_proxy_authority` is the one
    that aggregated API servers trust.
    """

    def __init__(
        self,
        ledger: Ledger,
        options: ControlPlaneOptions | None = None,
        *,
        find_port: ports.FindPort = ports.free_port,
    ) -> None:
        self.options = options or ControlPlaneOptions()
        self.authority = pki.Authority.create("carthub-kubernetes")
        self.front_proxy_authority = pki.Authority.create("carthub-front-proxy")
        self.folder = Path()
        self.port = 0
        self._ledger = ledger
        self._find_port = find_port
        self._etcd_url = ""
        self._etcd: Process | None = None
        self._api_server: Process | None = None
        self._controllers: list[Process] = []

    @property
    def url(self) -> str:
        """The address of the API server."""
        return f"https://{self.options.address}:{self.port}"

    @property
    def kubeconfig(self) -> Path:
        """The kubeconfig of a cluster administrator."""
        return self.folder / "admin.kubeconfig"

    @property
    def ca_file(self) -> Path:
        """The certificate of `authority`."""
        return self.folder / "ca.crt"

    @property
    def audit_log(self) -> Path:
        """The log with one JSON line per request the API server has answered."""
        return self.folder / "audit.log"

    @property
    def api_server(self) -> Process:
        """The kube-apiserver: make it hang with `signal`, crash it with `kill`."""
        if self._api_server is None:
            raise ProcessEnded("kube-apiserver is not started")
        return self._api_server

    def kubeconfig_for(self, user: str, groups: Sequence[str] = ()) -> Path:
        """Return a kubeconfig that authenticates as this user in these groups."""
        text = pki.kubeconfig(
            self.url,
            authority=self.authority.certificate,
            client=self.authority.client(user, groups),
            user=user,
        )
        file = f"{user.replace(':', '-').replace('/', '-')}.kubeconfig"
        return pki.write_secret(self.folder / file, text)

    def audit_mark(self) -> int:
        """Return where the audit log ends now, for `audit_events` to start from."""
        return audit.mark(self.audit_log)

    def audit_events(self, since: int = 0) -> Iterator[audit.Event]:
        """Yield what was asked of the API server since a mark, one event a request."""
        return audit.events(self.audit_log, since)

    def start(self) -> Self:
        """Start everything, or the API server again after `stop`.

        Returns when objects can be created.
        """
        if self._api_server is not None:
            self._api_server.start()
            self._wait_until_serving(self._api_server)
            return self
        try:
            self._start_all()
        except BaseException:
            self.close()
            raise
        return self

    def stop(self) -> None:
        """Stop the API server alone; etcd and the controllers stay."""
        self.api_server.terminate()

    def close(self) -> None:
        """End everything and remove its folder."""
        # etcd last: the others hang on their way out when it is gone before them.
        for process in [*self._controllers, self._api_server, self._etcd]:
            if process is not None:
                process.terminate()
        self._controllers, self._api_server, self._etcd = [], None, None
        self._ledger.remove_directory(self.folder)

    def _start_all(self) -> None:
        self.folder = self._ledger.make_directory("kubernetes")
        self._write_files()
        etcd_port = self._start_etcd()
        self._start_api_server(etcd_port)
        self.kubeconfig_for("system:kube-controller-manager")
        flags = kubernetes_flags.controller_manager(self.folder, self.options)
        self._controllers.append(self._process("kube-controller-manager", flags).start())
        if self.options.has_scheduler:
            self.kubeconfig_for("system:kube-scheduler")
            flags = kubernetes_flags.scheduler(self.folder)
            self._controllers.append(self._process("kube-scheduler", flags).start())
        self._controllers[0].wait_until_ready(self._is_namespace_usable, _READY_SECONDS)

    def _start_etcd(self) -> int:
        def on(port: int) -> Process:
            flags = kubernetes_flags.etcd(
                self.folder, client_port=port, peer_port=self._find_port("127.0.0.1")
            )
            self._etcd_url = f"https://127.0.0.1:{port}"
            return self._process("etcd", flags)

        def wait(process: Process) -> None:
            process.wait_until_ready(
                lambda: self._answers(f"{self._etcd_url}/health", "etcd"), _READY_SECONDS
            )

        self._etcd, port = ports.start_on_free_port(
            "127.0.0.1", on, wait, find_port=self._find_port
        )
        return port

    def _start_api_server(self, etcd_port: int) -> None:
        def on(port: int) -> Process:
            self.port = port
            flags = kubernetes_flags.api_server(
                self.folder, self.options, port=port, etcd_port=etcd_port
            )
            return self._process("kube-apiserver", flags)

        self._api_server, _ = ports.start_on_free_port(
            self.options.address, on, self._wait_until_serving, find_port=self._find_port
        )
        self.kubeconfig_for("admin", ["system:masters"])

    def _process(self, name: str, flags: list[str]) -> Process:
        tools = toolchain.tool_set("etcd" if name == "etcd" else "kubernetes")
        return Process(
            [tools.binary(name), *flags],
            log=self.folder / f"{name}.log",
            ledger=self._ledger,
            cwd=self.folder,
            # Nothing else of the environment: a proxy variable would redirect node traffic.
            env={"PATH": os.environ.get("PATH", os.defpath), "HOME": str(self.folder)},
        )

    def _wait_until_serving(self, process: Process) -> None:
        process.wait_until_ready(lambda: self._answers(f"{self.url}/readyz"), _READY_SECONDS)

    def _is_namespace_usable(self) -> bool:
        # Made by a controller, and no pod can be created without it.
        return self._answers(f"{self.url}/api/v1/namespaces/default/serviceaccounts/default")

    def _answers(self, url: str, identity: str = "admin") -> bool:
        """Tell whether a URL answers 200; raises OSError when it does not."""
        authority = "etcd-ca.crt" if identity == "etcd" else "ca.crt"
        context = ssl.create_default_context(cafile=self.folder / authority)
        context.load_cert_chain(self.folder / f"{identity}.crt", self.folder / f"{identity}.key")
        return probe.answers(url, tls=context)

    def _write_files(self) -> None:
        etcd_authority = pki.Authority.create("carthub-etcd")
        names = [f"kubernetes{rest}" for rest in ("", ".default", ".default.svc")]
        names += ["kubernetes.default.svc.cluster.local", "localhost", "127.0.0.1"]
        names += [self.options.address, self.options.kubernetes_service_address]
        pairs = {
            "ca": self.authority.key_pair,
            "admin": self.authority.client("admin", ["system:masters"]),
            "api-server": self.authority.server("kube-apiserver", dict.fromkeys(names)),
            "kubelet-client": self.authority.client("kube-apiserver", ["system:masters"]),
            "front-proxy-client": self.front_proxy_authority.client("front-proxy-client"),
            "etcd": etcd_authority.peer("etcd", ["127.0.0.1"]),
        }
        for name, pair in pairs.items():
            pair.write(self.folder, name)
        private, public = pki.service_account_key()
        pki.write_secret(self.folder / "service-account.key", private)
        texts = {
            "service-account.pub": public,
            "front-proxy-ca.crt": self.front_proxy_authority.certificate,
            "etcd-ca.crt": etcd_authority.certificate,
            "audit-policy.json": audit.POLICY,
        }
        for name, text in texts.items():
            (self.folder / name).write_text(text)
