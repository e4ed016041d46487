"""A CartService of its own for tests under load: two pods, no autoscaler, its own secret.

An autoscaler would add pods as it pleases, and a test could not say which pods it looks at.
"""

import json
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

from carthub_dev import manifests
from carthub_dev.aws import REGION
from carthub_operator.api import names
from tests.support.cluster import Cluster, eventually
from tests.support.crowd import ALL, Crowd
from tests.support.silent import SilentClient

if TYPE_CHECKING:
    from carthub_dev.platform import Platform

NAMESPACE = manifests.NAMESPACE
REPLICAS = 2
_SECONDS = 180.0
# Eight customers: some 100 requests a second, which leave the rollout its share of two cores.
_PAUSE_SECONDS = 0.06


class BusyCart:
    """A CartService on the session's platform."""

    def __init__(self, platform: "Platform", name: str = "busy") -> None:
        self.name = name
        self.cluster = Cluster(platform.kubectl.kubeconfig)
        self.logins = (f"{name}_blue", f"{name}_green")
        self.login = self.logins[0]
        self._secret = f"prod/carthub/{name}"
        self._pods = f"{names.LABEL_INSTANCE}={name},{names.LABEL_COMPONENT}={names.COMPONENT_API}"
        self._platform = platform
        self._image = platform.images["carthub-service"].reference
        self._address = ""

    def start(self) -> None:
        """Apply it, and return once it is Ready."""
        self.prepare()
        self._platform.kubectl.apply([self.manifest()])
        self.find()

    def prepare(self) -> None:
        """Make what it needs before it is applied."""
        authority = self._platform.database_facts.authority
        self._platform.aws.put_secret(self._secret, self._secret_value(self.change_password()))
        self._platform.kubectl.apply(
            [manifests.namespace(), manifests.database_authority(authority)]
        )

    def manifest(self) -> dict[str, Any]:
        """Return it as its owner declares it."""
        made = manifests.cart_service(self._image, self._platform.database_facts, region=REGION)
        made["metadata"]["name"] = self.name
        made["spec"] |= {
            "autoscaling": {"enabled": False},
            "replicas": REPLICAS,
            # Adds of one customer are many here.
            "cart": {"maxQuantity": 1_000_000},
        }
        made["spec"]["database"]["credentials"]["secretsManager"]["secretId"] = self._secret
        return made

    def find(self) -> None:
        """Return once it is Ready, and find its address."""
        self.wait_ready()
        service = self.cluster.get("service", names.service(self.name), NAMESPACE) or {}
        self._address = service["spec"]["clusterIP"]

    def remove(self) -> None:
        """Delete it, its secret and its logins; its pods end by themselves, nobody waits."""
        self.cluster.kubectl(
            *("delete", "cartservice", self.name, "-n", NAMESPACE),
            *("--wait=false", "--ignore-not-found"),
        )
        self._platform.aws.delete_secret(self._secret)
        for login in self.logins:
            self._platform.database.execute(f'DROP ROLE IF EXISTS "{login}"')

    # Load

    def crowd(self, kinds: tuple[str, ...] = ALL) -> Crowd:
        """Return a constant load through the Service's address."""
        return Crowd(80, host=self._address, kinds=kinds, pause_seconds=_PAUSE_SECONDS)

    def silent_client(self) -> SilentClient:
        """Return a client with a kept connection to whichever pod it got."""
        return SilentClient(self._address, "/health/live")

    # Change

    def patch(self, spec: dict[str, Any]) -> None:
        """Change the spec as a person would."""
        patch = json.dumps({"spec": spec})
        self.cluster.kubectl(
            *("patch", "cartservice", self.name, "-n", NAMESPACE, "--type=merge", "-p", patch)
        )

    def change_password(self, login: str | None = None) -> str:
        """Give a login a new password in the database; from now on it is the one to publish."""
        self.login = login or self.login
        password = secrets.token_urlsafe(12)
        self._platform.database.create_login(self.login, password)
        return password

    def publish(self, password: str) -> str:
        """Put the login into the secret, have it looked at, and return its version's id."""
        version = self._platform.aws.rotate(self._secret, self._secret_value(password))
        self.cluster.kubectl(
            *("annotate", "cartservice", self.name, "-n", NAMESPACE, "--overwrite"),
            f"{names.ANNOTATION_SYNC}={version}",
        )
        return version

    def end_sessions(self) -> None:
        """End all sessions of the pods, as an administrator would; wait for some to end."""
        end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = ANY(%s)"
        eventually(
            lambda: self._platform.database.execute(end, [list(self.logins)]),
            what="sessions to end",
        )

    # Look

    def pods(self) -> list[dict[str, Any]]:
        """Return the pods of the API, those that are about to end too."""
        return self.cluster.items("pods", NAMESPACE, selector=self._pods)

    def pod_uids(self) -> set[str]:
        """Return which pods there are."""
        return {pod["metadata"]["uid"] for pod in self.pods()}

    def condition(self, kind: str) -> dict[str, Any]:
        """Return one condition, empty while it is not told."""
        return self.cluster.condition(self.name, NAMESPACE, kind) or {}

    def wait_ready(self) -> None:
        """Return once it is Ready for its present generation."""
        self.cluster.wait_ready(self.name, NAMESPACE)

    def wait_until_rolled_out(
        self, *, image: str | None = None, version: str | None = None
    ) -> None:
        """Return once enough pods of this image or secret are Ready; others may still be ending."""
        eventually(
            lambda: len(self._ready(image, version)) == REPLICAS,
            what=f"{REPLICAS} pods of {image or version}",
            timeout_seconds=_SECONDS,
            every_seconds=0.5,
        )

    def wait_until_ended(self) -> None:
        """Return once no pod is left but those that are to stay."""
        eventually(
            lambda: len(self._ready()) == len(self.pods()) == REPLICAS,
            what=f"{REPLICAS} pods and no other",
            timeout_seconds=_SECONDS,
            every_seconds=0.5,
        )

    def _ready(self, image: str | None = None, version: str | None = None) -> list[dict[str, Any]]:
        """Return the pods that are Ready and stay, of this image and secret if given."""

        def is_one(pod: dict[str, Any]) -> bool:
            metadata = pod["metadata"]
            found = metadata.get("annotations", {}).get(names.ANNOTATION_SECRET_VERSION)
            return (
                image in {None, pod["spec"]["containers"][0]["image"]}
                and version in {None, found}
                and "deletionTimestamp" not in metadata
                and any(
                    (told["type"], told["status"]) == ("Ready", "True")
                    for told in pod["status"].get("conditions", ())
                )
            )

        return [pod for pod in self.pods() if is_one(pod)]

    def wait_until_in_files(self, password: str, uids: set[str]) -> None:
        """Return once the last of these pods has the password in its file, or is gone."""
        eventually(
            lambda: all(password in text for text in self._credentials(uids)),
            what="the new password in the files of all pods that were there",
            every_seconds=0.05,
        )

    def nodes(self) -> set[str]:
        """Return the names of the nodes that its pods are on."""
        return {pod["spec"]["nodeName"] for pod in self.pods()}

    def spread(self) -> None:
        """Have its pods on two nodes: the scheduler only prefers that."""
        self.wait_until_ended()
        nodes = self.nodes()
        if len(nodes) == 1:
            (crowded,) = nodes
            self.cluster.kubectl("cordon", crowded)
            name = self.pods()[0]["metadata"]["name"]
            self.cluster.kubectl("delete", "pod", name, "-n", NAMESPACE)
            self.wait_until_ended()
            self.cluster.kubectl("uncordon", crowded)

    def drain(self, node: str) -> None:
        """Drain a node of everything, as before its maintenance."""
        self.cluster.kubectl(
            *("drain", node, "--delete-emptydir-data", "--ignore-daemonsets", "--timeout=110s")
        )

    def _credentials(self, uids: set[str]) -> list[str]:
        """Return what the mounted files say, of those pods that still have them."""
        texts = []
        for node in self._platform.cluster.nodes:
            # The node mounts them where only its own processes see them.
            root = Path(f"/proc/{node.process('holder').pid}/root")
            pods = root / node.facts.folder.relative_to("/") / "kubelet" / "pods"
            for uid in uids:
                file = pods / uid / "volumes/kubernetes.io~secret/database/DATABASE_URL"
                try:
                    texts.append(file.read_text())
                except OSError:
                    continue
        return texts

    def _secret_value(self, password: str) -> dict[str, object]:
        return manifests.secret_value(self.login, password, self._platform.database_facts)
