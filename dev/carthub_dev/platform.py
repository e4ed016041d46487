"""The embedded platform: a cluster, a database, AWS, our images, and the operator in it.

What does not depend on each other starts at the same time. The images come from the Dockerfiles
that everybody builds, the operator from `deploy/operator` as a user applies it.
"""

import concurrent.futures
from typing import Self, TypeVar

import yaml

from carthub_dev import cluster, manifests, packages, paths
from carthub_dev.aws import AwsServer
from carthub_dev.cluster import Cluster
from carthub_dev.database_tls import HOST_NAME, TlsDatabase
from carthub_dev.errors import NotReady, PlatformError
from carthub_dev.image_archives import BuiltImage
from carthub_dev.images import build_images
from carthub_dev.kubectl import Kubectl, KubectlFailed
from carthub_dev.ledger import Ledger
from carthub_dev.logins import DATABASE
from carthub_dev.manifests import DatabaseFacts
from carthub_dev.part import Part
from carthub_dev.processes import wait_until
from carthub_dev.steps import Silent, Steps

STEPS = 5

CRDS = paths.REPOSITORY / "crds"
OPERATOR = paths.REPOSITORY / "deploy" / "operator"

_READY_SECONDS = 120
_KNOWN_SECONDS = 30.0
_Part = TypeVar("_Part")


class Platform(Part):
    """Everything that a CartService needs around it."""

    def __init__(self, ledger: Ledger, *, nodes: int = 1, steps: Steps | None = None) -> None:
        self._ledger = ledger
        self._steps = steps or Silent()
        self._nodes = nodes
        self._foreign = ledger.ids()
        self._pool = concurrent.futures.ThreadPoolExecutor(thread_name_prefix="platform")
        self._cluster: Cluster | None = None
        self._database: TlsDatabase | None = None
        self._aws: AwsServer | None = None
        self._images: dict[str, BuiltImage] = {}

    @property
    def cluster(self) -> Cluster:
        """The network, the control plane, the nodes."""
        return _started(self._cluster, "the cluster")

    @property
    def database(self) -> TlsDatabase:
        """PostgreSQL, at an address that pods reach."""
        return _started(self._database, "PostgreSQL")

    @property
    def aws(self) -> AwsServer:
        """AWS, at an address that pods reach."""
        return _started(self._aws, "AWS")

    @property
    def images(self) -> dict[str, BuiltImage]:
        """Our images by name, loaded into every node."""
        return self._images

    @property
    def kubectl(self) -> Kubectl:
        """What a cluster administrator runs."""
        return self.cluster.kubectl

    @property
    def database_facts(self) -> DatabaseFacts:
        """Where pods find the database; the name is one that the cluster's DNS knows."""
        return DatabaseFacts(
            host=HOST_NAME,
            address=self.database.address,
            port=self.database.port,
            name=DATABASE,
            authority=self.database.ca_pem,
        )

    def start(self) -> Self:
        """Start everything and return when the operator is Ready."""
        steps = self._steps
        needed = (*packages.NODE, *packages.IMAGES, *packages.DATABASE)
        with steps.loud_step("Debian packages"):
            packages.ensure(needed, "by the node tier", ledger=self._ledger, say=steps.say)
        with steps.loud_step("Kubernetes, containerd, CoreDNS from pinned sources"):
            cluster.build_binaries()
        self._cluster = Cluster(self._ledger, nodes=self._nodes, host_names=[HOST_NAME])
        address = self._cluster.network.plan.host
        self._database = TlsDatabase(self._ledger, address=address)
        self._aws = AwsServer(self._ledger, address=address)
        starting_plane = self._pool.submit(self._cluster.plane.start)
        starting_rest = [self._pool.submit(part.start) for part in (self._database, self._aws)]
        with steps.loud_step("Images from Dockerfile.operator and Dockerfile.service"):
            self._images = build_images(self._ledger, say=steps.say)
        with steps.step(f"{_count(self._nodes)} Ready, PostgreSQL with TLS, Secrets Manager"):
            starting_plane.result()
            self._cluster.start_nodes([image.archive for image in self._images.values()])
            for starting in starting_rest:
                starting.result()
        with steps.step("The operator, from deploy/operator"):
            self.install_operator()
        return self

    def install_operator(self) -> None:
        """Apply the CRD and the operator as a user does, and wait until it is Ready.

        Only its environment is added: where AWS is, and which secrets it may read.
        """
        kubectl = self.kubectl
        kubectl("apply", "--server-side", "--filename", str(CRDS))
        wait_until(self._knows_cart_services, _KNOWN_SECONDS, what="the CustomResourceDefinition")
        documents = yaml.safe_load_all(kubectl("kustomize", str(OPERATOR)))
        objects = [document for document in documents if document]
        environment = manifests.operator_environment(self.aws.environment)
        kubectl.apply(manifests.with_environment(objects, environment))
        self.wait_for_rollouts(manifests.OPERATOR_NAMESPACE)

    def wait_for_rollouts(self, namespace: str, timeout_seconds: int = _READY_SECONDS) -> None:
        """Return once every Deployment of a namespace is rolled out; else say what its pods say."""
        limit = f"--timeout={timeout_seconds}s"
        try:
            self.kubectl(
                *("rollout", "status", "deployment", "--namespace", namespace, limit),
                timeout_seconds=timeout_seconds + 30,
            )
        except KubectlFailed as error:
            raise NotReady(f"{error}\n{self.explain(namespace)}") from error

    def explain(self, namespace: str) -> str:
        """Return what the pods of a namespace, its events and the last log lines say."""
        told = []
        for command in (
            ("get", "pods", "--output", "wide"),
            ("get", "events", "--sort-by=.lastTimestamp"),
            ("logs", "--all-containers", "--prefix", "--tail=15", "--selector=!none"),
        ):
            try:
                told.append(self.kubectl(*command, "--namespace", namespace))
            except KubectlFailed as error:
                told.append(str(error))
        return "\n".join(told)

    def close(self) -> None:
        """Remove everything that this platform has started."""
        # What still starts fails for want of its parts; what it made meanwhile goes after.
        self._ledger.remove_all_but(self._foreign)
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._ledger.remove_all_but(self._foreign)
        for part in (self._cluster, self._database, self._aws):
            if part is not None:
                part.close()

    def _knows_cart_services(self) -> bool:
        # Not `kubectl wait`: it fails on a definition that has no conditions yet.
        try:
            self.kubectl("get", "cartservices", "--all-namespaces")
        except KubectlFailed:
            return False
        return True


def _started(part: _Part | None, what: str) -> _Part:
    if part is None:
        raise PlatformError(f"{what} is not started")
    return part


def _count(nodes: int) -> str:
    return "1 node" if nodes == 1 else f"{nodes} nodes"
