"""What a cluster has beside its nodes: DNS, and the metrics that `kubectl top` and the HPA read.

Both run as plain processes on the fabric, outside every node, and are reached through Services
without a selector.
"""

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from carthub_dev import network, toolchain
from carthub_dev.control_plane import ControlPlane
from carthub_dev.kubectl import Kubectl
from carthub_dev.ledger import Ledger
from carthub_dev.network import Network, Plan
from carthub_dev.processes import Process

NAMESPACE = "kube-system"
DNS_USER = "carthub:coredns"
METRICS_USER = "carthub:metrics-server"
METRICS_PORT = 4443

_READY_SECONDS = 60.0
# The smallest it takes; must exceed the time one kubelet is given to answer.
_RESOLUTION_SECONDS = 10
_KUBELET_SECONDS = 5
_METRICS_HOST = "metrics-server.kube-system.svc"


class Addons:
    """CoreDNS and metrics-server."""

    def __init__(
        self,
        *,
        net: Network,
        plane: ControlPlane,
        ledger: Ledger,
        host_names: Sequence[str] = (),
    ) -> None:
        self._plan = net.plan
        self._holder = net.fabric.pid
        self._plane = plane
        self._ledger = ledger
        self._host_names = host_names
        self._folder = ledger.make_directory("addons")
        self._kubectl = Kubectl(plane.kubeconfig)
        self.processes: dict[str, Process] = {}

    def start(self) -> None:
        """Start both and make them known to the cluster."""
        authority = self._plane.authority
        self._kubectl.apply(objects(self._plan, authority.certificate))
        corefile = self._folder / "Corefile"
        dns_kubeconfig = self._plane.kubeconfig_for(DNS_USER)
        corefile.write_text(corefile_text(self._plan, dns_kubeconfig, host_names=self._host_names))
        coredns = toolchain.tool_set("coredns").binary("coredns")
        self._start("coredns", coredns, "-conf", str(corefile))
        names = [_METRICS_HOST, self._plan.fabric]
        certificate, key = authority.server("metrics-server", names).write(self._folder, "metrics")
        kubeconfig = self._plane.kubeconfig_for(METRICS_USER)
        metrics_server = toolchain.tool_set("metrics-server").binary("metrics-server")
        self._start(
            "metrics-server",
            metrics_server,
            f"--kubeconfig={kubeconfig}",
            f"--authentication-kubeconfig={kubeconfig}",
            f"--authorization-kubeconfig={kubeconfig}",
            f"--bind-address={self._plan.fabric}",
            f"--secure-port={METRICS_PORT}",
            f"--tls-cert-file={certificate}",
            f"--tls-private-key-file={key}",
            f"--kubelet-certificate-authority={self._plane.ca_file}",
            "--kubelet-preferred-address-types=InternalIP",
            f"--kubelet-request-timeout={_KUBELET_SECONDS}s",
            f"--metric-resolution={_RESOLUTION_SECONDS}s",
        )

    def _start(self, name: str, program: Path, *flags: str) -> None:
        self.processes[name] = Process(
            [*network.entering(self._holder), program, *flags],
            log=self._folder / f"{name}.log",
            ledger=self._ledger,
            role=name,
            cwd=self._folder,
            env={"HOME": str(self._folder)},
            grace_seconds=2.0,
        ).start()


def corefile_text(plan: Plan, kubeconfig: Path, *, host_names: Sequence[str] = ()) -> str:
    """Return CoreDNS's configuration.

    `host_names` lead to the host; all other names outside the cluster do not exist here.
    """
    on_host = "".join(
        f"{name}:53 {{\n    bind {plan.fabric}\n    errors\n"
        f"    hosts {{\n        {plan.host} {name}\n    }}\n}}\n"
        for name in host_names
    )
    return f"""\
{on_host}cluster.local:53 in-addr.arpa:53 {{
    bind {plan.fabric}
    errors
    kubernetes cluster.local in-addr.arpa {{
        kubeconfig {kubeconfig}
        ttl 5
    }}
}}
.:53 {{
    bind {plan.fabric}
    errors
    template ANY ANY . {{
        rcode NXDOMAIN
    }}
}}
"""


def objects(plan: Plan, authority: str) -> list[dict[str, Any]]:
    """Return what makes both known: services, an aggregated API, and the rights they need."""
    read = ["get", "list", "watch"]
    dns_reads = _rule("", ["endpoints", "namespaces", "pods", "services"], read)
    slices = _rule("discovery.k8s.io", ["endpointslices"], read)
    metrics_reads = _rule("", ["configmaps", "namespaces", "nodes", "pods"], read)
    kubelets = _rule("", ["nodes/metrics"], ["get"])
    usage = _rule("metrics.k8s.io", ["nodes", "pods"], read)
    reader = _cluster_role("carthub:metrics-reader", [usage])
    reader["metadata"]["labels"] = {
        f"rbac.authorization.k8s.io/aggregate-to-{role}": "true"
        for role in ("admin", "edit", "view")
    }
    return [
        *_service(plan, "kube-dns", {"dns": 53, "dns-tcp": 53}, address=plan.dns),
        *_service(plan, "metrics-server", {"https": METRICS_PORT}),
        _cluster_role(DNS_USER, [dns_reads, slices]),
        _cluster_binding(DNS_USER, DNS_USER, DNS_USER),
        _cluster_role(METRICS_USER, [metrics_reads, kubelets]),
        _cluster_binding(METRICS_USER, METRICS_USER, METRICS_USER),
        _cluster_binding(f"{METRICS_USER}:delegate", "system:auth-delegator", METRICS_USER),
        _authentication_binding(METRICS_USER),
        reader,
        {
            "apiVersion": "apiregistration.k8s.io/v1",
            "kind": "APIService",
            "metadata": {"name": "v1beta1.metrics.k8s.io"},
            "spec": {
                "group": "metrics.k8s.io",
                "version": "v1beta1",
                "service": {"name": "metrics-server", "namespace": NAMESPACE},
                "caBundle": base64.b64encode(authority.encode()).decode(),
                "groupPriorityMinimum": 100,
                "versionPriority": 100,
            },
        },
    ]


def _service(
    plan: Plan, name: str, ports: dict[str, int], *, address: str | None = None
) -> list[dict[str, Any]]:
    """Return a Service whose only endpoint is the fabric."""
    protocols = {port: "UDP" if port == "dns" else "TCP" for port in ports}
    public = {port: 443 if port == "https" else number for port, number in ports.items()}
    spec: dict[str, Any] = {
        "ports": [
            {"name": port, "protocol": protocols[port], "port": public[port], "targetPort": number}
            for port, number in ports.items()
        ]
    }
    if address:
        spec["clusterIP"] = address
    return [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name, "namespace": NAMESPACE},
            "spec": spec,
        },
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "name": name,
                "namespace": NAMESPACE,
                "labels": {"kubernetes.io/service-name": name},
            },
            "addressType": "IPv4",
            "endpoints": [{"addresses": [plan.fabric], "conditions": {"ready": True}}],
            "ports": [
                {"name": port, "protocol": protocols[port], "port": number}
                for port, number in ports.items()
            ],
        },
    ]


def _rule(group: str, resources: list[str], verbs: list[str]) -> dict[str, Any]:
    return {"apiGroups": [group], "resources": resources, "verbs": verbs}


def _cluster_role(name: str, rules: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": name},
        "rules": rules,
    }


def _cluster_binding(name: str, role: str, user: str) -> dict[str, Any]:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [_user(user)],
    }


def _authentication_binding(user: str) -> dict[str, Any]:
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": user, "namespace": NAMESPACE},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "Role",
            "name": "extension-apiserver-authentication-reader",
        },
        "subjects": [_user(user)],
    }


def _user(name: str) -> dict[str, Any]:
    return {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": name}
