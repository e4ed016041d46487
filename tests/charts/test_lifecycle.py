"""Install, upgrade, rollback, uninstall, with Helm itself, and what becomes of the definition.

There are no nodes: what is looked at are objects. `tests/e2e/test_chart.py` has the pods.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from carthub_dev.control_plane import ControlPlane
from carthub_dev.helm import CHART, RELEASE, Helm, HelmFailed
from carthub_dev.kubectl import Kubectl
from carthub_dev.ledger import Ledger
from carthub_operator.api import names
from carthub_operator.version import __version__
from tests.support import crd, markdown
from tests.support.cluster import eventually

_NAMESPACE = "carthub-system"
_OLDER, _NEWER = "0.0.9", "99.0.0-rc.1"
_HERE = ("--namespace", _NAMESPACE)
_VERSION = "carthub.io/crd-version"
# What the chart makes in the namespace, and what beside it.
_KINDS = "deployments,services,serviceaccounts,roles,rolebindings,networkpolicies,pdb"
_CLUSTER_KINDS = (
    "clusterroles,clusterrolebindings,validatingadmissionpolicies,validatingadmissionpolicybindings"
)

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def plane(
    control_plane_tools: None,  # noqa: ARG001 - built before any test
    ledger: Ledger,
) -> Iterator[ControlPlane]:
    """A control plane whose definition comes and goes."""
    with ControlPlane(ledger) as started:
        yield started


class Installation:
    """Helm and kubectl as an administrator has them."""

    def __init__(self, helm: Helm, kubectl: Kubectl, folder: Path) -> None:
        self.helm, self.kubectl, self._folder = helm, kubectl, folder

    def chart(self, version: str) -> Path:
        """Return the chart as of another version: its definition has a field of its own."""
        made = self._folder / version
        shutil.copytree(CHART, made)
        file = made / "Chart.yaml"
        file.write_text(file.read_text().replace(__version__, version))
        (made / "files" / "crd.yaml").write_text(yaml.safe_dump(definition(version)))
        return made

    def install(self, chart: Path = CHART, *options: str, release: str = RELEASE) -> None:
        """Install the chart."""
        self.helm("install", release, str(chart), *_HERE, "--create-namespace", *options)

    def upgrade(self, chart: Path = CHART, *options: str) -> None:
        """Upgrade the release."""
        self.helm("upgrade", RELEASE, str(chart), *_HERE, *options)

    def definition_version(self) -> str:
        """Return the version of the live definition, by its annotation and its own field."""
        live = self.kubectl.get("crd", crd.NAME)
        version: str = live["metadata"]["annotations"][_VERSION]
        fields = spec_fields(live)
        own = {name for name in fields if name.startswith("of")}
        assert own == ({_field(version)} if version != __version__ else set())
        return version

    def apply_cart_service(self) -> None:
        """Apply the example, once its definition is served."""
        served = ("api-resources", "--api-group", names.GROUP, "--output", "name")
        eventually(lambda: crd.NAME in self.kubectl(*served).split(), what="the kind is served")
        self.kubectl("apply", "--filename", str(crd.ROOT / "examples" / "minimal.yaml"))

    def cart_services(self) -> list[str]:
        """Return the names of all CartServices."""
        found = self.kubectl.get("cartservices", "--all-namespaces")["items"]
        return [one["metadata"]["name"] for one in found]

    def run(self, command: str) -> None:
        """Run a command of the documentation, as a person in a checkout does.

        Not in this one: commands leave files behind.
        """
        checkout = self._folder / "checkout"
        if not checkout.exists():
            shutil.copytree(CHART, checkout / CHART.relative_to(crd.ROOT))
        folders = [Path(self.helm.command()[0]).parent, Path(self.kubectl.command()[0]).parent]
        path = os.pathsep.join([*map(str, folders), os.environ["PATH"]])
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command],
            cwd=checkout,
            env={**self.helm.environment, "PATH": path},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, f"{command}: {done.stderr}"

    def own(self) -> set[str]:
        """Return what there is of the chart."""
        label = "app.kubernetes.io/part-of=carthub"
        listed = self.kubectl("get", _KINDS, *_HERE, "-l", label, "-o", "name")
        listed += self.kubectl("get", _CLUSTER_KINDS, "-l", label, "-o", "name")
        return set(listed.split())

    def image(self) -> str:
        """Return the image of the operator."""
        live = self.kubectl.get("deployment", RELEASE, *_HERE)
        image: str = live["spec"]["template"]["spec"]["containers"][0]["image"]
        return image


def definition(version: str) -> dict[str, Any]:
    """Return the definition of another version."""
    made: dict[str, Any] = yaml.safe_load(crd.CRD_FILE.read_text())
    made["metadata"]["annotations"][_VERSION] = version
    spec_fields(made)[_field(version)] = {"type": "string"}
    return made


def spec_fields(made: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a CartService's spec."""
    schema = made["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    fields: dict[str, Any] = schema["properties"]["spec"]["properties"]
    return fields


def _documented(word: str, page: str = "helm.md") -> str:
    """Return the one block of the page that has a word."""
    (block,) = [one for one in markdown.shell_blocks(page) if word in one]
    return block


def _field(version: str) -> str:
    return "of" + "".join(character for character in version if character.isalnum())


@pytest.fixture
def admin(
    plane: ControlPlane,
    chart_tools: None,  # noqa: ARG001 - built before any test
    helm_home: Path,
    tmp_path: Path,
) -> Iterator[Installation]:
    """A cluster without anything of Carthub."""
    kubectl = Kubectl(plane.kubeconfig)
    kubectl("create", "namespace", "shopping-cart")
    made = Installation(Helm(helm_home, plane.kubeconfig), kubectl, tmp_path)
    yield made
    for release in made.helm("list", "--short", "--all-namespaces").split():
        made.helm("uninstall", release, *_HERE)
    kubectl("delete", "crd", crd.NAME, "--ignore-not-found")
    kubectl("delete", "namespace", "shopping-cart", _NAMESPACE, "--ignore-not-found")


def test_install_upgrade_rollback_uninstall(admin: Installation) -> None:
    admin.install(CHART, "--set", "image.registry=r.example.com")
    admin.apply_cart_service()
    everything = admin.own()
    assert len(everything) == 11
    assert admin.definition_version() == __version__

    admin.upgrade(CHART, "--set", "image.registry=r.example.com,image.tag=next,rbac.create=false")
    assert admin.image() == "r.example.com/carthub-operator:next"
    assert not [name for name in admin.own() if "role" in name]

    admin.helm("rollback", RELEASE, "1", *_HERE)
    assert admin.image() == f"r.example.com/carthub-operator:{__version__}"
    assert admin.own() == everything

    admin.helm("uninstall", RELEASE, *_HERE)
    assert admin.own() == set()
    assert admin.cart_services() == ["backend"]
    assert admin.definition_version() == __version__


def test_a_release_of_another_name_takes_over_what_an_uninstalled_one_left(
    admin: Installation,
) -> None:
    admin.install()
    admin.apply_cart_service()
    admin.helm("uninstall", RELEASE, *_HERE)

    admin.install(release="shop", chart=CHART)

    assert admin.cart_services() == ["backend"]
    assert "deployment.apps/shop-carthub-operator" in admin.own()
    live = admin.kubectl.get("crd", crd.NAME)["metadata"]["annotations"]
    assert not [name for name in live if name.startswith("meta.helm.sh/")]


@pytest.mark.parametrize("options", [(), ("--server-side",)], ids=["client", "server"])
def test_it_installs_where_kubectl_has_applied_the_definition(
    admin: Installation, options: tuple[str, ...]
) -> None:
    admin.kubectl("apply", *options, "--filename", str(crd.CRD_FILE))
    admin.apply_cart_service()

    admin.install()
    admin.upgrade(CHART, "--set", "replicas=3")

    assert admin.cart_services() == ["backend"]
    assert admin.definition_version() == __version__


def test_an_upgrade_brings_the_definition_and_a_rollback_leaves_it(admin: Installation) -> None:
    admin.install(admin.chart(_OLDER))
    admin.apply_cart_service()
    assert admin.definition_version() == _OLDER

    admin.upgrade()
    assert admin.definition_version() == __version__
    assert admin.image().endswith(f":{__version__}")

    admin.helm("rollback", RELEASE, "1", *_HERE)
    assert admin.image().endswith(f":{_OLDER}")
    assert admin.definition_version() == __version__
    assert admin.cart_services() == ["backend"]


def test_an_older_chart_leaves_a_newer_definition(admin: Installation) -> None:
    admin.install(admin.chart(_NEWER))
    assert admin.definition_version() == _NEWER

    admin.upgrade()
    assert admin.definition_version() == _NEWER

    admin.helm("uninstall", RELEASE, *_HERE)
    admin.install()
    assert admin.definition_version() == _NEWER


def test_a_definition_that_kubectl_holds_is_handed_over_once(admin: Installation) -> None:
    admin.kubectl.apply([definition(_OLDER)])

    with pytest.raises(HelmFailed, match='conflicts with "kubectl"') as refused:
        admin.install()
    assert ".spec.versions" in refused.value.said
    assert admin.definition_version() == _OLDER

    admin.run(_documented("--field-manager=helm"))
    admin.helm("upgrade", RELEASE, str(CHART), *_HERE, "--install")
    assert admin.definition_version() == __version__


def test_without_the_definition_none_is_touched(admin: Installation) -> None:
    admin.install(CHART, "--set", "crds.install=false")

    assert admin.kubectl("get", "crd", crd.NAME, "--ignore-not-found") == ""


def test_its_notes_say_what_to_do_next(admin: Installation) -> None:
    words = ("install", RELEASE, str(CHART), *_HERE, "--create-namespace")
    said = admin.helm(*words, "--set", "watchNamespaces={shopping-cart}")

    assert f"kubectl rollout status deployment/{RELEASE} -n {_NAMESPACE}" in said
    assert "without a registry" in said
    assert "No namespace may have an AWS secret yet" in said
    assert "one of shopping-cart" in said
    assert "stays when this release is uninstalled" in said


def test_what_the_page_says_works(admin: Installation) -> None:
    admin.run(_documented("helm install"))
    admin.apply_cart_service()
    admin.run(_documented("kubectl annotate"))
    admin.run(_documented("helm upgrade"))
    admin.run(_documented("helm upgrade", "upgrading.md"))
    assert admin.image() == f"registry.example.com/carthub-operator:{__version__}"
    assert admin.helm("list", "--short", *_HERE).split() == [RELEASE]
    live = admin.kubectl.get("cartservice", "backend", "-n", "shopping-cart")
    assert live["metadata"]["annotations"]["carthub.io/protect"] == "true"

    admin.run(_documented("helm uninstall"))
    assert admin.own() == set()
