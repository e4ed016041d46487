"""The configuration files of a node, as pure functions of its facts."""

import base64
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from carthub_dev.network import Plan

PAUSE_IMAGE = "carthub/pause:1"


@dataclass(frozen=True)
class NodeFacts:
    """What differs between nodes. `folder` holds all its files, `number` counts from 1."""

    number: int
    folder: Path
    plan: Plan
    cgroup: str
    authority: Path

    @property
    def name(self) -> str:
        """The name in `kubectl get nodes`."""
        return f"node-{self.number}"

    @property
    def address(self) -> str:
        """The address at which the API server and the other nodes reach it."""
        return self.plan.node(self.number)

    @property
    def zone(self) -> str:
        """The availability zone it claims to be in."""
        return f"zone-{'abc'[(self.number - 1) % 3]}"

    @property
    def registries(self) -> Path:
        """Where containerd looks, at each pull, for how to reach a registry."""
        return self.folder / "registries"

    @property
    def containerd_socket(self) -> Path:
        """Where containerd listens, on the host's file system."""
        return self.folder / "containerd.sock"


def kubelet(node: NodeFacts) -> str:
    """Return the KubeletConfiguration, JSON."""
    return _json(
        {
            "kind": "KubeletConfiguration",
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": True},
                "x509": {"clientCAFile": str(node.authority)},
            },
            "authorization": {"mode": "Webhook"},
            "tlsCertFile": str(node.folder / "kubelet.crt"),
            "tlsPrivateKeyFile": str(node.folder / "kubelet.key"),
            "containerRuntimeEndpoint": f"unix://{node.containerd_socket}",
            "clusterDNS": [node.plan.dns],
            "clusterDomain": "cluster.local",
            "resolvConf": str(node.folder / "resolv.conf"),
            "volumePluginDir": str(node.folder / "volume-plugins"),
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": f"/{node.cgroup}",
            "failCgroupV1": False,
            "enforceNodeAllocatable": [],
            "failSwapOn": False,
            "oomScoreAdj": 0,
            # A developer's disk is always nearly full, and the images are ours to remove.
            "evictionHard": {
                "memory.available": "50Mi",
                "nodefs.available": "500Mi",
                "nodefs.inodesFree": "1%",
                "imagefs.available": "500Mi",
            },
            "imageGCHighThresholdPercent": 100,
            "imageGCLowThresholdPercent": 99,
            "serializeImagePulls": False,
            # A changed Secret is written into its pods at the next pass over them.
            "configMapAndSecretChangeDetectionStrategy": "Watch",
            "syncFrequency": "5s",
            "nodeStatusUpdateFrequency": "5s",
        }
    )


def kube_proxy(node: NodeFacts, kubeconfig: Path, *, sees_bridged: bool) -> str:
    """Return the KubeProxyConfiguration, JSON.

    `sees_bridged` says whether packets between pods of the node pass iptables; if not, services
    must hide who calls, or the answers bypass the translation.
    """
    return _json(
        {
            "kind": "KubeProxyConfiguration",
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "mode": "iptables",
            "clientConnection": {"kubeconfig": str(kubeconfig)},
            "hostnameOverride": node.name,
            # Callers from outside (the host) get answers by the way they came.
            "clusterCIDR": node.plan.pods,
            "iptables": {"masqueradeAll": not sees_bridged, "minSyncPeriod": "0.2s"},
            "oomScoreAdj": 0,
            # The limits of connection tracking belong to the machine.
            "conntrack": {
                "maxPerCore": 0,
                "min": 0,
                "tcpEstablishedTimeout": "0s",
                "tcpCloseWaitTimeout": "0s",
                "udpTimeout": "0s",
                "udpStreamTimeout": "0s",
            },
        }
    )


def containerd(node: NodeFacts, *, runc: Path, cni_programs: Iterable[Path]) -> str:
    """Return containerd's config.toml."""
    folder = node.folder
    bin_dirs = json.dumps([str(path) for path in dict.fromkeys(cni_programs)])
    return f"""\
version = 3
root = "{folder}/containerd"
state = "{folder}/containerd-state"
disabled_plugins = [
  "io.containerd.nri.v1.nri",
  "io.containerd.snapshotter.v1.blockfile",
  "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.erofs",
  "io.containerd.snapshotter.v1.native",
  "io.containerd.snapshotter.v1.zfs",
]

[grpc]
  address = "{node.containerd_socket}"

[ttrpc]
  address = "{node.containerd_socket}.ttrpc"

[plugins."io.containerd.cri.v1.images"]
  snapshotter = "overlayfs"

[plugins."io.containerd.cri.v1.images".registry]
  config_path = "{node.registries}"

[plugins."io.containerd.cri.v1.images".pinned_images]
  sandbox = "docker.io/{PAUSE_IMAGE}"

[plugins."io.containerd.cri.v1.runtime"]
  # Without CAP_SYS_RESOURCE runc dies of it: "can't get final child's PID from pipe".
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true

[plugins."io.containerd.cri.v1.runtime".cni]
  bin_dirs = {bin_dirs}
  conf_dir = "{folder}/cni"

[plugins."io.containerd.cri.v1.runtime".containerd]
  default_runtime_name = "runc"

[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
  BinaryName = "{runc}"
  SystemdCgroup = false
"""


def registry(host: str, *, authority: Path, login: str) -> str:
    """Return the hosts.toml of a registry; `login` is `user:password`, where EKS has a role."""
    credentials = base64.b64encode(login.encode()).decode()
    return f"""\
server = "https://{host}"

[host."https://{host}"]
  capabilities = ["pull", "resolve"]
  ca = "{authority}"

[host."https://{host}".header]
  Authorization = "Basic {credentials}"
"""


def cni(node: NodeFacts) -> str:
    """Return the list of CNI plugins: a bridge per node, addresses from its own range."""
    return _json(
        {
            "cniVersion": "1.0.0",
            "name": "carthub",
            "plugins": [
                {
                    "type": "bridge",
                    "bridge": "pods",
                    "isGateway": True,
                    "hairpinMode": True,
                    "ipam": {
                        "type": "host-local",
                        "dataDir": str(node.folder / "addresses"),
                        "ranges": [[{"subnet": node.plan.pods_of(node.number)}]],
                        "routes": [{"dst": "0.0.0.0/0"}],
                    },
                }
            ],
        }
    )


def _json(value: object) -> str:
    return json.dumps(value, indent=1)
