"""The pages on installing and upgrading, in order, on real nodes.

Stood in for: AWS, by moto, whose address the operator is told besides; the registry, by images that
the nodes have under its names. On EKS the namespace is the test's own.
"""

import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from carthub_dev import manifests, paths
from carthub_dev.aws import REGION
from carthub_dev.helm import RELEASE, Helm
from carthub_operator.version import __version__
from tests.support.cluster import Cluster
from tests.support.markdown import own_kustomization, shell_blocks
from tests.support.shell import run_blocks

if TYPE_CHECKING:
    from carthub_dev.platform import Platform

_OPERATORS = manifests.OPERATOR_NAMESPACE
_REGISTRY = "registry.example.com"
_NAMESPACE = "eks-shop"
_SERVES = "Every replica is ready and serves CartServices, and one of them writes."


@pytest.fixture
def no_operator(platform: "Platform", nodes: Cluster) -> Iterator[None]:
    """A cluster whose operator has made room; at the end it is back."""
    base = str(paths.REPOSITORY / "deploy" / "operator")
    remove = ("delete", "--kustomize", base, "--ignore-not-found")
    nodes.kubectl(*remove)
    yield
    # What a page applied has another field manager.
    nodes.kubectl(*remove)
    platform.install_operator()


@pytest.fixture
def helm(
    platform: "Platform",
    no_operator: None,  # noqa: ARG001 - room is made before, and the operator is back after it
    chart_tools: None,  # noqa: ARG001 - built before any test
    tmp_path: Path,
) -> Iterator[Helm]:
    called = Helm(tmp_path / "helm", platform.kubectl.kubeconfig)
    yield called
    here = ("--namespace", _OPERATORS)
    called("uninstall", RELEASE, *here, "--ignore-not-found", "--wait", "--timeout", "3m")


@pytest.fixture
def registry(platform: "Platform") -> str:
    """Give the nodes both images under the names of the pages, and return their tag."""
    for name, image in platform.images.items():
        for node in platform.cluster.nodes:
            node.tag_image(image.reference, f"{_REGISTRY}/{name}:{__version__}")
    return __version__


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What of the repository a reader applies, to change as they like."""
    for folder in ("charts", "crds", "deploy"):
        shutil.copytree(paths.REPOSITORY / folder, tmp_path / folder)
    return tmp_path


def _told_where_aws_is(helm: Helm, platform: "Platform", folder: Path) -> str:
    """Return a `helm` for a shell that also gives every release the stand-in's address."""
    values = {
        "extraEnv": [{"name": k, "value": v} for k, v in sorted(platform.aws.environment.items())]
    }
    (folder / "stand-in.yaml").write_text(yaml.safe_dump(values))
    binary = shlex.quote(helm.command()[0])
    return (
        f'helm() {{ case "$1" in install|upgrade) {binary} "$@" --values stand-in.yaml;; '
        f'*) {binary} "$@";; esac; }}'
    )


def _environment(nodes: Cluster, helm: Helm) -> dict[str, str]:
    own = {key: value for key, value in helm.environment.items() if key.startswith("HELM_")}
    return {**nodes.environment, **own}


def test_the_page_on_eks_leads_to_a_healthy_cart_and_back(
    helm: Helm, platform: "Platform", nodes: Cluster, registry: str, checkout: Path
) -> None:
    password = "of-the-page"
    platform.database.create_login("carthub_eks", password)
    value = manifests.secret_value("carthub_eks", password, platform.database_facts)
    platform.aws.put_secret(f"prod/carthub/{_NAMESPACE}", value)
    (checkout / "bundle.pem").write_text(platform.database_facts.authority)
    blocks = [
        block.replace("shopping-cart", _NAMESPACE).replace("carthub/db", f"carthub/{_NAMESPACE}")
        for block in shell_blocks("install-eks.md")
    ]

    shown = run_blocks(
        [_told_where_aws_is(helm, platform, checkout), *blocks],
        cwd=checkout,
        env={
            **_environment(nodes, helm),
            "AWS_REGION": REGION,
            "REGISTRY": _REGISTRY,
            "TAG": registry,
        },
        timeout_seconds=500,
    )

    print(shown)  # noqa: T201 - what a reader sees
    assert _SERVES in shown
    assert "backend is Ready" in shown
    assert '"status":"ok"' in shown.replace(" ", "")
    assert nodes.run("get", "namespace", _NAMESPACE).returncode != 0


@pytest.mark.usefixtures("registry")
def test_the_page_on_helm_works_from_install_to_uninstall(
    backend: Cluster, helm: Helm, platform: "Platform", checkout: Path
) -> None:
    try:
        shown = run_blocks(
            [_told_where_aws_is(helm, platform, checkout), *shell_blocks("helm.md")],
            cwd=checkout,
            env=_environment(backend, helm),
            timeout_seconds=400,
        )
    finally:
        unprotect = ("annotate", "cartservice", "backend", "-n", "shopping-cart")
        backend.kubectl(*unprotect, "carthub.io/protect-")

    print(shown)  # noqa: T201 - what a reader sees
    assert _SERVES in shown
    assert f'release "{RELEASE}" uninstalled' in shown


@pytest.mark.usefixtures("registry")
def test_an_upgrade_with_helm_goes_as_its_page_says(
    backend: Cluster, helm: Helm, platform: "Platform", checkout: Path
) -> None:
    (install,) = [block for block in shell_blocks("helm.md") if "helm install" in block]
    with_helm, _with_kubectl, *wait = shell_blocks("upgrading.md")

    shown = run_blocks(
        [_told_where_aws_is(helm, platform, checkout), install, with_helm, *wait],
        cwd=checkout,
        env=_environment(backend, helm),
        timeout_seconds=400,
    )

    assert "successfully rolled out" in shown
    assert "backend is Ready" in shown


@pytest.mark.usefixtures("registry", "no_operator")
def test_an_upgrade_with_kubectl_goes_as_its_page_says(
    backend: Cluster, platform: "Platform", checkout: Path
) -> None:
    mine = yaml.safe_load(own_kustomization("operator.md"))
    patch = yaml.safe_load(mine["patches"][0]["patch"])
    (container,) = patch["spec"]["template"]["spec"]["containers"]
    container["env"] += [
        {"name": k, "value": v} for k, v in sorted(platform.aws.environment.items())
    ]
    mine["patches"][0]["patch"] = yaml.safe_dump(patch)
    (checkout / "deploy" / "mine").mkdir()
    (checkout / "deploy" / "mine" / "kustomization.yaml").write_text(yaml.safe_dump(mine))

    _with_helm, *others = shell_blocks("upgrading.md")

    shown = run_blocks(others, cwd=checkout, env=backend.environment)

    assert "successfully rolled out" in shown
    assert "backend is Ready" in shown
