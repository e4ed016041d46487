"""The command lines of the control plane: pure functions from a folder of files to flags."""

import ipaddress
from dataclasses import dataclass
from pathlib import Path

SERVICE_ACCOUNT_ISSUER = "https://kubernetes.default.svc.cluster.local"


@dataclass(frozen=True)
class ControlPlaneOptions:
    """What differs between the control plane alone and one with nodes.

    `address` is where it listens and what it advertises. `pod_cidr` makes the controllers hand
    pod ranges to nodes. The extra flags come last, so they win.
    """

    address: str = "127.0.0.1"
    service_cidr: str = "10.96.0.0/16"
    pod_cidr: str | None = None
    has_scheduler: bool = False
    api_server_flags: tuple[str, ...] = ()
    controller_manager_flags: tuple[str, ...] = ()

    @property
    def is_loopback(self) -> bool:
        """Whether nobody but this machine can reach it."""
        return ipaddress.ip_address(self.address).is_loopback

    @property
    def kubernetes_service_address(self) -> str:
        """The first address of the service range: where pods find the API server."""
        return str(ipaddress.ip_network(self.service_cidr)[1])


def etcd(folder: Path, *, client_port: int, peer_port: int) -> list[str]:
    """Return etcd's flags: TLS with client certificates, and no fsync."""
    client, peer = f"https://127.0.0.1:{client_port}", f"http://127.0.0.1:{peer_port}"
    return [
        f"--data-dir={folder / f'etcd-{client_port}'}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        f"--cert-file={folder / 'etcd.crt'}",
        f"--key-file={folder / 'etcd.key'}",
        f"--trusted-ca-file={folder / 'etcd-ca.crt'}",
        "--client-cert-auth",
        "--log-level=warn",
        # A crash of the machine may lose it all: it is made anew every time.
        "--unsafe-no-fsync",
    ]


def api_server(
    folder: Path, options: ControlPlaneOptions, *, port: int, etcd_port: int
) -> list[str]:
    """Return kube-apiserver's flags."""
    flags = [
        f"--bind-address={options.address}",
        f"--advertise-address={options.address}",
        f"--secure-port={port}",
        f"--etcd-servers=https://127.0.0.1:{etcd_port}",
        f"--etcd-cafile={folder / 'etcd-ca.crt'}",
        f"--etcd-certfile={folder / 'etcd.crt'}",
        f"--etcd-keyfile={folder / 'etcd.key'}",
        f"--tls-cert-file={folder / 'api-server.crt'}",
        f"--tls-private-key-file={folder / 'api-server.key'}",
        f"--client-ca-file={folder / 'ca.crt'}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged=true",
        f"--service-cluster-ip-range={options.service_cidr}",
        f"--service-account-issuer={SERVICE_ACCOUNT_ISSUER}",
        f"--service-account-signing-key-file={folder / 'service-account.key'}",
        f"--service-account-key-file={folder / 'service-account.pub'}",
        # Logs and exec: the server is a client of the kubelets.
        f"--kubelet-client-certificate={folder / 'kubelet-client.crt'}",
        f"--kubelet-client-key={folder / 'kubelet-client.key'}",
        f"--kubelet-certificate-authority={folder / 'ca.crt'}",
        "--kubelet-preferred-address-types=InternalIP",
        # Aggregated APIs (metrics): the server is a client of theirs, in the user's name.
        f"--requestheader-client-ca-file={folder / 'front-proxy-ca.crt'}",
        "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-username-headers=X-Remote-User",
        f"--proxy-client-cert-file={folder / 'front-proxy-client.crt'}",
        f"--proxy-client-key-file={folder / 'front-proxy-client.key'}",
        "--enable-aggregator-routing=true",
        f"--audit-policy-file={folder / 'audit-policy.json'}",
        f"--audit-log-path={folder / 'audit.log'}",
        # Never rotated while a test holds a place in it.
        "--audit-log-maxsize=2048",
        # Without it SIGTERM waits for the controllers' watches until the process is killed.
        "--shutdown-watch-termination-grace-period=1s",
    ]
    if options.is_loopback:
        # Nothing may carry a loopback address as an endpoint, and no pod would reach it.
        flags.append("--endpoint-reconciler-type=none")
    return [*flags, *options.api_server_flags]


def controller_manager(folder: Path, options: ControlPlaneOptions) -> list[str]:
    """Return kube-controller-manager's flags."""
    flags = [
        f"--kubeconfig={folder / 'system-kube-controller-manager.kubeconfig'}",
        "--use-service-account-credentials",
        f"--service-account-private-key-file={folder / 'service-account.key'}",
        f"--root-ca-file={folder / 'ca.crt'}",
        f"--cluster-signing-cert-file={folder / 'ca.crt'}",
        f"--cluster-signing-key-file={folder / 'ca.key'}",
        "--leader-elect=false",
        # No port of its own: nobody asks it, and one port less can be taken by another.
        "--secure-port=0",
        "--kube-api-qps=500",
        "--kube-api-burst=1000",
    ]
    if options.pod_cidr:
        flags += ["--allocate-node-cidrs", f"--cluster-cidr={options.pod_cidr}"]
        flags.append(f"--service-cluster-ip-range={options.service_cidr}")
    return [*flags, *options.controller_manager_flags]


def scheduler(folder: Path) -> list[str]:
    """Return kube-scheduler's flags."""
    return [
        f"--kubeconfig={folder / 'system-kube-scheduler.kubeconfig'}",
        "--leader-elect=false",
        "--secure-port=0",
        # As the controllers': with the default of 50 it would hold up whatever makes pods in bulk.
        "--kube-api-qps=500",
        "--kube-api-burst=1000",
    ]
