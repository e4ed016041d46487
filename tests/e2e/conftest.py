"""One platform for all end-to-end tests: real nodes, the operator, and the CartService `backend`.

Skipped, with the reason, only where there is no root or no Linux, and never in CI.
"""

import base64
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from carthub_dev.ledger import Ledger, clean_abandoned
from tests.support.cluster import Cluster
from tests.support.fixtures import start_times
from tests.support.shop import Shop

if TYPE_CHECKING:
    from carthub_dev.platform import Platform

INSTANCE = "tests-e2e"
NAMESPACE = "shopping-cart"
# A start from warm caches, and a rollout on a busy machine.
_TIMEOUT_SECONDS = 600


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.node)
            if item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(_TIMEOUT_SECONDS))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Build binaries and images in sight and without a test's time limit."""
    own = [item for item in session.items if item.path.is_relative_to(Path(__file__).parent)]
    if session.config.option.collectonly or not own or _no_nodes():
        return
    from carthub_dev import cluster, images  # noqa: PLC0415 - collection stays light

    capture = session.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        cluster.build_binaries()
        with Ledger.open(f"{INSTANCE}-images-{os.getpid()}") as ledger:
            images.build_images(ledger, say=_say)


def _say(message: str) -> None:
    # Standard output is not seen of one test process among several.
    print(message, file=sys.stderr, flush=True)  # noqa: T201 - a build takes minutes


@pytest.fixture(scope="session", autouse=True)
def node_tier() -> None:
    """Skip where no node can run; in CI that is a failure."""
    reason = _no_nodes()
    if reason and os.environ.get("CI"):
        pytest.fail(reason)
    if reason:
        pytest.skip(reason)


@pytest.fixture(scope="session")
def platform(pytestconfig: pytest.Config) -> "Iterator[Platform]":
    """Two real nodes, PostgreSQL with TLS, AWS, and the operator as users install it."""
    from carthub_dev.platform import Platform  # noqa: PLC0415 - collection stays light
    from carthub_dev.steps import Silent  # noqa: PLC0415 - as above

    clean_abandoned(prefix=INSTANCE)
    steps = Silent()
    with (
        Ledger.open(f"{INSTANCE}-{os.getpid()}") as ledger,
        Platform(ledger, nodes=2, steps=steps) as started,
    ):
        for what, seconds in steps.seconds.items():
            pytestconfig.stash.setdefault(start_times, {})[what] = seconds
        yield started


@pytest.fixture(scope="session")
def nodes(platform: "Platform") -> Cluster:
    """kubectl as a cluster administrator, whatever runs in the cluster."""
    return Cluster(platform.kubectl.kubeconfig)


@pytest.fixture(scope="session")
def first_cart(platform: "Platform") -> Cluster:
    """The CartService `backend`, applied once."""
    from carthub_dev import demonstration  # noqa: PLC0415 - collection stays light

    demonstration.apply(platform)
    demonstration.wait_until_ready(platform)
    return Cluster(platform.kubectl.kubeconfig)


@pytest.fixture
def backend(first_cart: Cluster) -> Cluster:
    """kubectl against a cluster with the CartService `backend`, Ready whatever was done to it."""
    first_cart.wait_ready("backend", NAMESPACE)
    return first_cart


@pytest.fixture
def shop(backend: Cluster) -> Iterator[Shop]:
    """The cart API through its Service."""
    service = backend.get("service", "backend-service", NAMESPACE) or {}
    opened = Shop(service["spec"]["clusterIP"])
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def service_image(platform: "Platform") -> str:
    """The service's image, as every node has it."""
    return platform.images["carthub-service"].reference


@pytest.fixture(scope="session")
def second_image(platform: "Platform", service_image: str) -> str:
    """The same image under another name: enough for a rollout."""
    name = "carthub-service:second"
    for node in platform.cluster.nodes:
        node.tag_image(service_image, name)
    return name


@pytest.fixture
def database_password(backend: Cluster) -> str:
    """The password that the service uses now."""
    secret = backend.get("secret", "backend-db", NAMESPACE) or {}
    return base64.b64decode(secret["data"]["DB_PASSWORD"]).decode()


@pytest.fixture
def put_database_secret(platform: "Platform") -> Callable[[str], None]:
    """Create a secret with a login of its own, good for the database."""
    from carthub_dev import manifests  # noqa: PLC0415 - collection stays light

    def put(secret_id: str) -> None:
        login = secret_id.replace("/", "_")
        platform.database.create_login(login, "a:pass/word@of%its own")
        value = manifests.secret_value(login, "a:pass/word@of%its own", platform.database_facts)
        platform.aws.put_secret(secret_id, value)

    return put


def _no_nodes() -> str | None:
    if sys.platform == "linux" and os.geteuid() == 0:
        return None
    return "the node tier needs root on Linux"
