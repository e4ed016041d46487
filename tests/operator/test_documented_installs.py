"""What the pages have an administrator apply: a real API server takes all of it, in page order."""

import shutil
from pathlib import Path

import pytest
import yaml

from carthub_dev import paths
from carthub_dev.control_plane import ControlPlane
from tests.support import markdown, monitors
from tests.support.cluster import Cluster, eventually
from tests.support.shell import run_blocks

_NAMESPACE = "carthub-system"


@pytest.fixture
def cluster(own_control_plane: ControlPlane) -> Cluster:
    return Cluster(own_control_plane.kubeconfig)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What of the repository a reader applies, to change as they like."""
    for folder in ("crds", "deploy"):
        shutil.copytree(paths.REPOSITORY / folder, tmp_path / folder)
    return tmp_path


def _operator(cluster: Cluster) -> tuple[str, dict[str, str]]:
    """Return the operator's image and its variables, as the API server has them."""
    deployment = cluster.get("deployment", "carthub-operator", _NAMESPACE) or {}
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    return container["image"], {one["name"]: one.get("value", "") for one in container["env"]}


def test_the_operator_installs_as_its_page_says(cluster: Cluster, checkout: Path) -> None:
    page = "operator.md"
    kustomization = markdown.own_kustomization(page)
    (checkout / "deploy" / "mine").mkdir()
    (checkout / "deploy" / "mine" / "kustomization.yaml").write_text(kustomization)

    run_blocks(markdown.shell_blocks(page), cwd=checkout, env=cluster.environment)

    image, variables = _operator(cluster)
    assert image == "registry.example.com/carthub-operator:0.1.0"
    assert yaml.safe_load(variables["CARTHUB_SECRET_ALLOW_LIST"]) == {
        "shopping-cart": ["prod/carthub/*"]
    }


def test_some_namespaces_only_installs_as_its_page_says(cluster: Cluster, checkout: Path) -> None:
    install, *_ = markdown.shell_blocks("security.md")
    shutil.copytree(checkout / "deploy" / "namespaced", checkout / "deploy" / "mine")
    cluster.kubectl("create", "namespace", "shopping-cart")

    run_blocks([install], cwd=checkout, env=cluster.environment)

    _, variables = _operator(cluster)
    assert variables["CARTHUB_NAMESPACES"] == "shopping-cart"
    assert cluster.items("rolebindings", "shopping-cart") != []


def test_alerts_and_dashboard_install_as_their_page_says(cluster: Cluster) -> None:
    cluster.apply(monitors.RULES_DEFINITION)
    eventually(
        lambda: cluster.run("get", "prometheusrules", "-A").returncode == 0,
        what="the definition of PrometheusRules",
    )
    cluster.kubectl("create", "namespace", "monitoring")

    run_blocks(
        markdown.shell_blocks("monitoring.md"), cwd=paths.REPOSITORY, env=cluster.environment
    )

    assert cluster.items("prometheusrules", "monitoring") != []
    labelled = cluster.items("configmaps", "monitoring", selector="grafana_dashboard=1")
    assert [one["metadata"]["name"] for one in labelled] == ["carthub-dashboard"]


def test_argo_cd_learns_to_judge_as_its_page_says(cluster: Cluster) -> None:
    (block,) = [one for one in markdown.shell_blocks("gitops.md") if "deploy/gitops" in one]
    cluster.kubectl("create", "namespace", "argocd")

    run_blocks([block], cwd=paths.REPOSITORY, env=cluster.environment)

    settings = cluster.get("configmap", "argocd-cm", "argocd") or {}
    assert "resource.customizations.health.carthub.io_CartService" in settings["data"]
