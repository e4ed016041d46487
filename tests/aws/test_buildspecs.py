"""What the buildspecs do when a step fails, and what the deployer's rights are worth.

Here every program is stood in for but `make deploy` and what it runs. On real nodes, with images
that are built, pushed and pulled, they run in tests/e2e/test_aws_pipeline.py.
"""

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from carthub_dev import paths
from carthub_dev.control_plane import ControlPlane
from carthub_dev.kubectl import Kubectl, KubectlFailed
from tests.support import control_plane as planes
from tests.support import crd, stacks
from tests.support.code_build import Build, CodeBuild, make_without
from tests.support.resources import raw_cart_service, without_nones

BUILD = stacks.FOLDER / "buildspec-build.yaml"
DEPLOY = stacks.FOLDER / "buildspec-deploy.yaml"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
REGISTRY = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
VARIABLES = {"COMMIT_ID": COMMIT, "IMAGE_REPOSITORY": REGISTRY}
GROUP = "carthub-deployers"

PASSES = 'stood_in "$@"'
LOGIN = 'stood_in "$@"; read -r password; [ "$password" = token ]'
TOKEN = 'stood_in "$@"; echo token'


def _built(folder: Path, *, make: str = PASSES) -> Build:
    stand_ins = {"apt-get": PASSES, "aws": TOKEN, "skopeo": LOGIN, "make": make}
    return CodeBuild(folder, stand_ins).run(BUILD, VARIABLES, seconds=60)


def test_a_commit_is_tested_then_built_then_pushed(tmp_path: Path) -> None:
    build = _built(tmp_path)

    assert build.succeeded, build.output
    *before, one, other, push = build.stood_in
    assert before == [
        "apt-get update --quiet",
        "apt-get install --quiet --yes --no-install-recommends awscli skopeo",
        "make venv",
        "make lint",
        "make test",
        f"make images TAG={COMMIT}",
    ]
    # Two ends of a pipe.
    assert {one, other} == {
        "aws ecr get-login-password",
        f"skopeo login --username AWS --password-stdin {REGISTRY}",
    }
    assert push == f"make push IMAGE_REPOSITORY={REGISTRY} TAG={COMMIT}"


@pytest.mark.parametrize("target", ["venv", "lint", "test", "images"])
def test_nothing_is_pushed_after_a_failure(tmp_path: Path, target: str) -> None:
    build = _built(tmp_path, make=f'stood_in "$@"; [ "$1" != {target} ]')

    assert not build.succeeded
    assert build.ran[-1][2] != 0
    assert build.stood_in[-1].startswith(f"make {target}")
    assert not any("push" in call or "login" in call for call in build.stood_in)


def test_the_build_measures_what_its_tests_cover_and_nobody_else_pays_for_it() -> None:
    variables = yaml.safe_load(BUILD.read_text())["env"]["variables"]
    plain = {name: value for name, value in os.environ.items() if name not in variables}

    measured, usual = (
        subprocess.run(
            ["make", "--dry-run", "--old-file=.venv/.ready", "test"],
            cwd=paths.REPOSITORY,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for environment in (plain | variables, plain)
    )

    assert measured.count("--cov --cov-append") == 2
    assert "coverage report" in measured
    assert "cov" not in usual


@dataclass(frozen=True)
class Cluster:
    """A namespace with the CartService `backend` and the deployers' role; no operator runs."""

    namespace: str
    administrator: Kubectl
    deployer: Kubectl

    def tell(self, reason: str, message: str, *, is_ready: bool) -> None:
        """Write, as the operator, what there is to say of the spec after the next change."""
        conditions = [
            {
                "type": kind,
                "status": str(is_so),
                "reason": reason,
                "message": message,
                "observedGeneration": 2,
                "lastTransitionTime": "2026-01-01T00:00:00Z",
            }
            for kind, is_so in (("Ready", is_ready), ("Stalled", not is_ready))
        ]
        status = {"status": {"observedGeneration": 2, "conditions": conditions}}
        self.administrator(
            *("patch", "cartservice", "backend", "--namespace", self.namespace),
            *("--subresource=status", "--type=merge", "--patch", json.dumps(status)),
        )

    def deploy(self, folder: Path, *, timeout: str = "30s") -> Build:
        """Run the buildspec with the deployer's kubeconfig."""
        kubeconfig = folder / "kubeconfig"
        stand_ins = {
            "apt-get": PASSES,
            "make": make_without("venv"),
            "aws": f'{PASSES}; cp "{self.deployer.kubeconfig}" "$KUBECONFIG"',
        }
        variables = {
            **VARIABLES,
            "CLUSTER_NAME": "shop",
            "CART_NAMESPACE": self.namespace,
            "CART_NAME": "backend",
            "READY_TIMEOUT": timeout,
            "KUBECONFIG": str(kubeconfig),
        }
        return CodeBuild(folder, stand_ins).run(DEPLOY, variables, seconds=120)

    def image(self) -> str:
        """Return the image that the CartService has now."""
        found: dict[str, Any] = self.administrator.get(
            "cartservice", "backend", "--namespace", self.namespace
        )
        return str(found["spec"]["image"])


@pytest.fixture
def cluster(control_plane: ControlPlane) -> Iterator[Cluster]:
    crd.install(control_plane.kubeconfig)
    administrator = Kubectl(control_plane.kubeconfig)
    deployer = Kubectl(control_plane.kubeconfig_for("pipeline", [GROUP]))
    roles = list(yaml.safe_load_all((stacks.FOLDER / "deployer.yaml").read_text()))
    with (
        planes.api_client(control_plane.kubeconfig) as api,
        planes.new_namespace(api) as namespace,
    ):
        for role in roles:
            role["metadata"]["namespace"] = namespace
        raw = without_nones(raw_cart_service())
        raw["metadata"] = {"name": "backend", "namespace": namespace}
        administrator.apply([*roles, raw])
        yield Cluster(namespace, administrator, deployer)


def test_the_group_of_the_access_entry_is_the_one_that_has_the_role() -> None:
    [entry] = stacks.resources("deploy", "AWS::EKS::AccessEntry").values()
    role, binding = yaml.safe_load_all((stacks.FOLDER / "deployer.yaml").read_text())

    assert entry["Properties"]["KubernetesGroups"] == [GROUP]
    assert [subject["name"] for subject in binding["subjects"]] == [GROUP]
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    default = stacks.template("deploy")["Parameters"]["Namespace"]["Default"]
    assert role["metadata"]["namespace"] == binding["metadata"]["namespace"] == default


def test_a_deployment_changes_the_image_and_waits(cluster: Cluster, tmp_path: Path) -> None:
    cluster.tell("Ready", "everything is as declared", is_ready=True)

    build = cluster.deploy(tmp_path)

    assert build.succeeded, build.output
    assert cluster.image() == f"{REGISTRY}/carthub-service:{COMMIT}"
    assert "backend is Ready" in build.output
    assert build.stood_in == [
        "apt-get update --quiet",
        "apt-get install --quiet --yes --no-install-recommends awscli",
        "make venv",
        "aws eks update-kubeconfig --name shop",
    ]


def test_a_deployment_that_stalls_fails_with_the_message(cluster: Cluster, tmp_path: Path) -> None:
    cluster.tell("ImagePullFailed", "node-1 cannot pull the image: not found", is_ready=False)

    build = cluster.deploy(tmp_path, timeout="10m")

    assert not build.succeeded
    assert "backend stalls (ImagePullFailed): node-1 cannot pull the image" in build.output


def test_a_deployment_that_takes_too_long_fails(cluster: Cluster, tmp_path: Path) -> None:
    build = cluster.deploy(tmp_path, timeout="1s")

    assert not build.succeeded
    assert "backend is not Ready after 1s" in build.output


@pytest.mark.parametrize("missing", ["IMAGE", "NAME", "NAMESPACE"])
def test_a_deployment_names_what_it_is_not_told(missing: str) -> None:
    given = {"IMAGE": "registry.example.com/cart:1", "NAME": "backend", "NAMESPACE": "shop"}
    words = [f"{name}={value}" for name, value in given.items() if name != missing]
    done = subprocess.run(
        ["make", "--dry-run", "--old-file=.venv/.ready", "deploy", *words],
        cwd=paths.REPOSITORY,
        env={name: value for name, value in os.environ.items() if name != missing},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode != 0
    assert f"{missing} is missing: make deploy {missing}=..." in done.stderr


def test_a_cartservice_that_is_not_there_is_told(cluster: Cluster, tmp_path: Path) -> None:
    cluster.administrator("delete", "cartservice", "backend", "--namespace", cluster.namespace)

    build = cluster.deploy(tmp_path)

    assert not build.succeeded
    assert 'cartservices.carthub.io "backend" not found' in build.output


@pytest.mark.parametrize(
    "attempt",
    [
        ("create", "--filename", "-"),
        ("delete", "cartservice", "backend"),
        ("get", "cartservices"),
        ("get", "secrets"),
        ("get", "pods"),
        ("get", "cartservices", "--all-namespaces"),
    ],
    ids=" ".join,
)
def test_a_deployer_can_do_nothing_else(cluster: Cluster, attempt: tuple[str, ...]) -> None:
    raw = without_nones(raw_cart_service())
    raw["metadata"] = {"name": "another", "namespace": cluster.namespace}
    where = [] if "--all-namespaces" in attempt else ["--namespace", cluster.namespace]

    with pytest.raises(KubectlFailed, match=r"Forbidden|forbidden"):
        cluster.deployer(*attempt, *where, text=json.dumps(raw))
