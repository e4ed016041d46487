import json
import tomllib
from pathlib import Path

from carthub_dev import node_config
from carthub_dev.network import Plan
from carthub_dev.node_config import NodeFacts

NODE = NodeFacts(
    number=2,
    folder=Path("/run/node"),
    plan=Plan(210),
    cgroup="carthub210-node-2",
    authority=Path("/run/plane/ca.crt"),
)


def test_a_kubelet_is_told_what_is_its_own() -> None:
    config = json.loads(node_config.kubelet(NODE))

    assert config["cgroupRoot"] == "/carthub210-node-2"
    assert config["clusterDNS"] == ["10.210.64.10"]
    assert config["containerRuntimeEndpoint"] == "unix:///run/node/containerd.sock"
    assert config["authentication"]["anonymous"] == {"enabled": False}
    assert config["authorization"] == {"mode": "Webhook"}


def test_containerd_keeps_everything_in_the_folder_of_the_node() -> None:
    text = node_config.containerd(
        NODE, runc=Path("/usr/sbin/runc"), cni_programs=[Path("/cni")] * 2
    )
    config = tomllib.loads(text)
    runtime = config["plugins"]["io.containerd.cri.v1.runtime"]

    assert config["root"] == "/run/node/containerd"
    assert config["state"] == "/run/node/containerd-state"
    assert runtime["restrict_oom_score_adj"] is True
    assert runtime["netns_mounts_under_state_dir"] is True
    assert runtime["cni"] == {"bin_dirs": ["/cni"], "conf_dir": "/run/node/cni"}
    assert runtime["containerd"]["runtimes"]["runc"]["options"] == {
        "BinaryName": "/usr/sbin/runc",
        "SystemdCgroup": False,
    }


def test_containerd_is_told_how_to_reach_a_registry_where_it_looks() -> None:
    config = tomllib.loads(node_config.containerd(NODE, runc=Path("/runc"), cni_programs=[]))
    hosts = tomllib.loads(
        node_config.registry("10.1.0.1:5000", authority=Path("/ca.crt"), login="AWS:token")
    )

    images = config["plugins"]["io.containerd.cri.v1.images"]
    assert images["registry"] == {"config_path": str(NODE.registries)}
    assert hosts["server"] == "https://10.1.0.1:5000"
    [host] = hosts["host"].values()
    assert host["ca"] == "/ca.crt"
    assert host["header"] == {"Authorization": "Basic QVdTOnRva2Vu"}


def test_pods_get_addresses_of_their_node() -> None:
    plugin = json.loads(node_config.cni(NODE))["plugins"][0]

    assert plugin["ipam"]["ranges"] == [[{"subnet": "10.210.130.0/24"}]]


def test_services_hide_the_caller_only_where_bridged_packets_are_not_seen() -> None:
    def iptables(*, sees_bridged: bool) -> object:
        text = node_config.kube_proxy(NODE, Path("/kubeconfig"), sees_bridged=sees_bridged)
        return json.loads(text)["iptables"]["masqueradeAll"]

    assert iptables(sees_bridged=True) is False
    assert iptables(sees_bridged=False) is True


def test_kube_proxy_leaves_the_limits_of_the_machine_alone() -> None:
    config = json.loads(node_config.kube_proxy(NODE, Path("/kubeconfig"), sees_bridged=True))

    assert set(config["conntrack"].values()) == {0, "0s"}


def test_nodes_are_in_different_zones() -> None:
    zones = {NodeFacts(n, NODE.folder, NODE.plan, "", NODE.authority).zone for n in (1, 2, 3)}
    assert zones == {"zone-a", "zone-b", "zone-c"}
