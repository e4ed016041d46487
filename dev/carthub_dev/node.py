"""A real node: containerd, kubelet and kube-proxy in namespaces of its own.

A holder process keeps a network and a mount namespace. In the mount namespace /run, /var/lib and
/var/log are overlays, so that paths which the programs have built in are the node's own, and the
sysctls that a kubelet sets for the whole machine are copies. With the node's last process the
kernel undoes all its mounts.
"""

import subprocess
from pathlib import Path

from carthub_dev import cgroups, image_store, network, node_config, programs, toolchain
from carthub_dev.control_plane import ControlPlane
from carthub_dev.errors import PlatformError, ProcessEnded
from carthub_dev.kubectl import Kubectl, KubectlFailed
from carthub_dev.ledger import Ledger
from carthub_dev.network import Network
from carthub_dev.node_config import NodeFacts
from carthub_dev.pki import write_secret
from carthub_dev.processes import Process

_READY_SECONDS = 60.0
_GRACE_SECONDS = 5.0
_SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_HOLD = """
set -e
folder=$1
for place in /run /var/lib /var/log; do
  own=$folder/overlays$place
  mkdir -p "$own/upper" "$own/work"
  mount -t overlay overlay -o "lowerdir=$place,upperdir=$own/upper,workdir=$own/work" "$place"
done
mkdir "$folder/sysctls"
for name in vm/overcommit_memory vm/panic_on_oom kernel/panic kernel/panic_on_oops \
    kernel/keys/root_maxkeys kernel/keys/root_maxbytes; do
  own=$folder/sysctls/${name##*/}
  cat "/proc/sys/$name" > "$own"
  mount --bind "$own" "/proc/sys/$name"
done
touch "$folder/held"
exec sleep infinity
"""


class Node:
    """One node; its parts are processes that tests can stop and start again.

    `store` is a folder of `image_store`, with the images that it has from the start.
    """

    def __init__(
        self, number: int, *, net: Network, plane: ControlPlane, store: Path, ledger: Ledger
    ) -> None:
        self.facts = NodeFacts(
            number=number,
            folder=ledger.make_directory(f"node-{number}"),
            plan=net.plan,
            cgroup=f"{net.plan.link}-node-{number}",
            authority=plane.ca_file,
        )
        self._network = net
        self._plane = plane
        self._store = store
        self._ledger = ledger
        self._processes: dict[str, Process] = {}

    @property
    def name(self) -> str:
        """The name in `kubectl get nodes`."""
        return self.facts.name

    @property
    def processes(self) -> list[Process]:
        """All parts that were started."""
        return list(self._processes.values())

    def process(self, name: str) -> Process:
        """Return a part: holder, containerd, kubelet or kube-proxy."""
        if name not in self._processes:
            raise ProcessEnded(f"{name} of {self.name} is not started")
        return self._processes[name]

    def start(self) -> None:
        """Start everything; the node is Ready a few seconds after, see `wait_until_ready`."""
        facts, kubernetes = self.facts, toolchain.tool_set("kubernetes")
        cgroups.create(self._ledger, facts.cgroup)
        self._hold()
        self._network.attach(facts.number, self.process("holder").pid)
        self._write_files()
        image_store.link(self._store, facts.folder / "containerd")
        containerd = toolchain.tool_set("containerd")
        started = self._start(
            "containerd",
            containerd.binary("containerd"),
            f"--config={facts.folder / 'containerd.toml'}",
        )
        started.wait_until_ready(lambda: self._ctr("version").returncode == 0)
        self._start(
            "kubelet",
            kubernetes.binary("kubelet"),
            f"--config={facts.folder / 'kubelet.json'}",
            f"--kubeconfig={facts.folder / 'kubelet.kubeconfig'}",
            f"--root-dir={facts.folder / 'kubelet'}",
            f"--cert-dir={facts.folder / 'kubelet-certificates'}",
            f"--hostname-override={facts.name}",
            f"--node-ip={facts.address}",
            f"--node-labels=topology.kubernetes.io/zone={facts.zone}",
        )
        proxy_config = facts.folder / "kube-proxy.json"
        self._start("kube-proxy", kubernetes.binary("kube-proxy"), f"--config={proxy_config}")

    def wait_until_ready(self, timeout_seconds: float = _READY_SECONDS) -> None:
        """Return once the API server calls the node Ready."""
        kubectl = Kubectl(self._plane.kubeconfig)
        query = "jsonpath={.status.conditions[?(@.type=='Ready')].status}"

        def is_ready() -> bool:
            try:
                return kubectl("get", "node", self.name, "--output", query) == "True"
            except KubectlFailed:
                return False

        self.process("kubelet").wait_until_ready(is_ready, timeout_seconds)

    def tag_image(self, image: str, name: str) -> None:
        """Give a loaded image another name."""
        full = [_full_name(reference) for reference in (image, name)]
        done = self._ctr("images", "tag", "--force", *full)
        if done.returncode:
            raise PlatformError(f"{image} on {self.name} gets no name {name}: {done.stderr}")

    def trust_registry(self, host: str, *, authority: str, login: str) -> None:
        """Let this node pull from a registry: its certificate, and `user:password`."""
        folder = self.facts.registries / host
        folder.mkdir(parents=True, exist_ok=True)
        certificate = folder / "ca.crt"
        certificate.write_text(authority)
        text = node_config.registry(host, authority=certificate, login=login)
        write_secret(folder / "hosts.toml", text)

    def images(self) -> list[str]:
        """Return the names of all images that pods of this node can use."""
        return self._ctr("images", "list", "--quiet").stdout.split()

    def _ctr(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return image_store.ctr(self.facts.containerd_socket, *arguments)

    def _hold(self) -> None:
        unshare, shell = programs.program("unshare"), programs.program("sh")
        private = [unshare, "--net", "--mount", "--propagation", "private", "--"]
        folder = self.facts.folder
        holder = self._make("holder", *private, shell, "-c", _HOLD, "sh", folder).start()
        try:
            holder.wait_until_ready((folder / "held").exists)
        except ProcessEnded as error:
            raise PlatformError(
                f"{self.name} gets no namespaces of its own below {folder}: overlay mounts need "
                "ext4, xfs, btrfs or tmpfs there, set CARTHUB_RUN to a folder that is on one. "
                f"{error}"
            ) from error

    def _write_files(self) -> None:
        facts = self.facts
        user, group = f"system:node:{facts.name}", "system:nodes"
        serving = self._plane.authority.server(user, [facts.name, facts.address])
        serving.write(facts.folder, "kubelet")
        proxy = self._plane.kubeconfig_for("system:kube-proxy")
        cni = toolchain.tool_set("cni")
        plugins = [cni.binary(plugin).parent for plugin in ("bridge", "loopback", "host-local")]
        sees_bridged = network.set_inside(
            self.process("holder").pid, "bridge/bridge-nf-call-iptables", "1"
        )
        texts = {
            "kubelet.json": node_config.kubelet(facts),
            "kubelet.kubeconfig": self._plane.kubeconfig_for(user, [group]).read_text(),
            "kube-proxy.json": node_config.kube_proxy(facts, proxy, sees_bridged=sees_bridged),
            "containerd.toml": node_config.containerd(
                facts, runc=Path(programs.program("runc")), cni_programs=plugins
            ),
            "cni/10-carthub.conflist": node_config.cni(facts),
            "resolv.conf": f"nameserver {facts.plan.fabric}\n",
        }
        for name, text in texts.items():
            file = facts.folder / name
            file.parent.mkdir(exist_ok=True)
            file.write_text(text)

    def _start(self, name: str, program: Path, *flags: str) -> Process:
        entering = network.entering(self.process("holder").pid, also_mounts=True)
        return self._make(name, *entering, program, *flags).start()

    def _make(self, name: str, *argv: str | Path) -> Process:
        # containerd looks for its shim on PATH; a proxy variable would redirect node traffic.
        shim = toolchain.tool_set("containerd").binary("containerd-shim-runc-v2")
        made = self._processes[name] = Process(
            argv,
            log=self.facts.folder / f"{name}.log",
            ledger=self._ledger,
            role=f"{name} of {self.name}",
            cwd=self.facts.folder,
            env={"PATH": f"{shim.parent}:{_SYSTEM_PATH}", "HOME": str(self.facts.folder)},
            grace_seconds=_GRACE_SECONDS,
        )
        return made


def _full_name(reference: str) -> str:
    """Return an image's name with its registry, as containerd knows it (distribution/reference)."""
    host, _, rest = reference.partition("/")
    has_host = rest and ("." in host or ":" in host or host == "localhost")
    return reference if has_host else f"docker.io/library/{reference}"
