"""Both buildspecs on the platform: images built, pushed, pulled by nodes, and a CartService Ready.

Stood in for: apt-get, aws (a password, a kubeconfig), the tests (they would run within themselves)
and ECR. Not there: PYTHON_IMAGE, so Debian's Python is the base, as everywhere on the platform.
"""

import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support import stacks
from tests.support.cluster import Cluster
from tests.support.code_build import Build, CodeBuild, make_without
from tests.support.shop import Shop

if TYPE_CHECKING:
    from collections.abc import Iterator

    from carthub_dev.platform import Platform
    from carthub_dev.registry import Registry

NAMESPACE = "shopping-cart"
COMMIT = "c0ffee0000000000000000000000000000000001"
NEVER_BUILT = "c0ffee0000000000000000000000000000000002"
NAMES = ("carthub-operator", "carthub-service")


class Pipeline:
    """The two projects, with variables as the stacks give them."""

    def __init__(
        self, folder: Path, *, registry: "Registry", client: dict[str, str], deployer: Path
    ) -> None:
        from carthub_dev.registry import PASSWORD  # noqa: PLC0415 - collection stays light

        self.registry = registry
        kubeconfig = folder / "kubeconfig"
        aws = f"""stood_in "$@"
case "$1 $2" in
  "ecr get-login-password") echo {PASSWORD} ;;
  "eks update-kubeconfig") cp "{deployer}" "{kubeconfig}" ;;
  *) exit 1 ;;
esac"""
        self._builds = CodeBuild(
            folder,
            {
                "apt-get": 'stood_in "$@"',
                "aws": aws,
                "make": make_without("venv", "lint", "test"),
            },
        )
        self._variables = {**client, "IMAGE_REPOSITORY": registry.host}
        self._cluster = {
            "CLUSTER_NAME": "shop",
            "CART_NAMESPACE": NAMESPACE,
            "CART_NAME": "backend",
            "READY_TIMEOUT": "5m",
            "KUBECONFIG": str(kubeconfig),
        }

    def build(self, commit: str) -> Build:
        """Run the project that tests, builds and pushes."""
        variables = {**self._variables, "COMMIT_ID": commit}
        return self._builds.run(stacks.FOLDER / "buildspec-build.yaml", variables)

    def deploy(self, commit: str) -> Build:
        """Run the project that deploys."""
        variables = {**self._variables, **self._cluster, "COMMIT_ID": commit}
        return self._builds.run(stacks.FOLDER / "buildspec-deploy.yaml", variables)

    def image(self, commit: str) -> str:
        """Return the service's image of a commit."""
        return f"{self.registry.host}/carthub-service:{commit}"


@pytest.fixture(scope="module")
def pipeline(
    platform: "Platform", first_cart: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> "Iterator[Pipeline]":
    """A registry that the nodes reach, and the way of the deployer's group into the cluster."""
    from carthub_dev import packages  # noqa: PLC0415 - collection stays light
    from carthub_dev.ledger import Ledger  # noqa: PLC0415 - as above
    from carthub_dev.registry import PASSWORD, USER, Registry  # noqa: PLC0415 - as above
    from tests.support.registry import client_environment  # noqa: PLC0415 - as above

    folder = tmp_path_factory.mktemp("pipeline")
    first_cart.kubectl("apply", "-f", str(stacks.FOLDER / "deployer.yaml"))
    deployer = platform.cluster.plane.kubeconfig_for("pipeline", ["carthub-deployers"])
    with (
        Ledger.open(f"tests-pipeline-{os.getpid()}") as ledger,
        Registry(ledger, address=platform.cluster.network.plan.host) as registry,
    ):
        packages.ensure(packages.PUSH, "to push images", ledger=ledger)
        for node in platform.cluster.nodes:
            node.trust_registry(
                registry.host, authority=registry.authority, login=f"{USER}:{PASSWORD}"
            )
        yield Pipeline(
            folder,
            registry=registry,
            client=client_environment(registry, folder),
            deployer=deployer,
        )
        # The registry goes; the other tests have images of the platform.
        _give_image(first_cart, platform.images["carthub-service"].reference)


@pytest.fixture(scope="module")
def built(pipeline: Pipeline) -> Build:
    """The commit, tested, built and pushed."""
    return pipeline.build(COMMIT)


def _images(cluster: Cluster) -> set[str]:
    """Return the images of the API's pods that serve."""
    selector = "app.kubernetes.io/instance=backend,app.kubernetes.io/component=api"
    return {
        pod["spec"]["containers"][0]["image"]
        for pod in cluster.items("pods", NAMESPACE, selector=selector)
        if "deletionTimestamp" not in pod["metadata"]
        and any(
            told["type"] == "Ready" and told["status"] == "True"
            for told in pod["status"].get("conditions", [])
        )
    }


def _give_image(cluster: Cluster, image: str) -> None:
    patch = json.dumps({"spec": {"image": image}})
    where = ("cartservice", "backend", "-n", NAMESPACE)
    cluster.kubectl("patch", *where, "--type=merge", "-p", patch)
    cluster.wait_ready("backend", NAMESPACE)


def _serves(shop: Shop, customer: str) -> None:
    assert shop.add(customer, "tea", price="4.50")["total"] == "4.50"


def test_a_commit_goes_from_the_sources_to_serving_pods(
    pipeline: Pipeline, built: Build, backend: Cluster, shop: Shop
) -> None:
    assert built.succeeded, built.output
    # Everything else ran: image builds, the login, both pushes.
    assert built.stood_in == [
        "apt-get update --quiet",
        "apt-get install --quiet --yes --no-install-recommends awscli skopeo",
        "make venv",
        "make lint",
        "make test",
        "aws ecr get-login-password",
    ]
    for name in NAMES:
        assert f"Pushed {pipeline.registry.host}/{name}:{COMMIT}" in built.output

    deployed = pipeline.deploy(COMMIT)
    assert deployed.succeeded, deployed.output
    assert "backend is Ready" in deployed.output
    assert deployed.stood_in == [
        "apt-get update --quiet",
        "apt-get install --quiet --yes --no-install-recommends awscli",
        "make venv",
        "aws eks update-kubeconfig --name shop",
    ]
    assert _images(backend) == {pipeline.image(COMMIT)}
    # The nodes have it from the registry: the platform gives them no image of that name.
    pulled = r'"GET".*"/v2/carthub-service/manifests/.*containerd/'
    assert re.search(pulled, pipeline.registry.log)
    _serves(shop, "piped")


def test_a_deployment_of_an_image_that_is_not_there_fails_and_the_version_before_serves(
    pipeline: Pipeline, backend: Cluster, shop: Shop
) -> None:
    before = _images(backend)

    failed = pipeline.deploy(NEVER_BUILT)

    assert not failed.succeeded
    assert "backend stalls (ImagePullFailed)" in failed.output
    assert NEVER_BUILT in failed.output
    assert _images(backend) == before
    _serves(shop, "still-served")

    # What CodePipeline does after it: the last commit that went well.
    image = next(iter(before))
    back = f'{{"spec": {{"image": "{image}"}}}}'
    backend.kubectl(
        *("patch", "cartservice", "backend", "-n", NAMESPACE, "--type=merge", "-p", back)
    )
    backend.wait_ready("backend", NAMESPACE)


def test_the_same_commit_again_pushes_nothing_and_deploys(
    pipeline: Pipeline, built: Build, backend: Cluster
) -> None:
    assert built.succeeded, built.output
    # From now on a push fails, as one of the same tag does in ECR.
    pipeline.registry.refuse_pushes()

    again = pipeline.build(COMMIT)

    assert again.succeeded, again.output
    for name in NAMES:
        assert f"{pipeline.registry.host}/{name}:{COMMIT} is there already" in again.output
    deployed = pipeline.deploy(COMMIT)
    assert deployed.succeeded, deployed.output
    assert _images(backend) == {pipeline.image(COMMIT)}
