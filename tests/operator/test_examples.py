"""Each example becomes healthy once it is applied as its comments say."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import client

from carthub_dev import manifests, operator_process
from carthub_dev.aws import AwsServer
from carthub_dev.control_plane import ControlPlane
from carthub_dev.kubectl import Kubectl
from carthub_dev.ledger import Ledger
from carthub_dev.operator_process import running_operator
from tests.support import control_plane as planes
from tests.support.crd import ROOT
from tests.support.live_cart import LiveCart

_EXAMPLES = ROOT / "examples"
CASES = sorted(_EXAMPLES.glob("*.yaml"))
STAGES = sorted(one.parent for one in _EXAMPLES.glob("gitops/*/namespace.yaml"))
_VALUE = {
    "username": "carthub",
    "password": "canary",
    "host": "db.example.com",
    "port": 5432,
    "dbname": "carthub",
}

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def kubectl(
    control_plane: ControlPlane, aws_server: AwsServer, ledger: Ledger
) -> Iterator[Kubectl]:
    """A cluster with an operator that lets the examples have what they name."""
    kubeconfig = operator_process.install(control_plane)
    allowed = {"shop-staging": ["staging/*"], "shop-*": ["prod/*"], "shopping-cart": ["prod/*"]}
    with running_operator(
        control_plane,
        ledger,
        kubeconfig=kubeconfig,
        aws=aws_server,
        settings={"CARTHUB_SECRET_ALLOW_LIST": json.dumps(allowed)},
    ):
        yield Kubectl(control_plane.kubeconfig)


@pytest.fixture
def api(control_plane: ControlPlane) -> Iterator[client.ApiClient]:
    with planes.api_client(control_plane.kubeconfig) as opened:
        yield opened


def _needs(resource: dict[str, Any], aws: AwsServer) -> list[dict[str, Any]]:
    """Return what a CartService takes from its namespace; what it takes from AWS is put there."""
    database = resource["spec"]["database"]
    namespace = resource["metadata"]["namespace"]
    needed = [manifests.namespace(namespace)]
    credentials = database["credentials"]
    if managed := credentials.get("secretsManager"):
        aws.put_secret(managed["secretId"], _VALUE)
    else:
        texts = {key: str(value) for key, value in _VALUE.items()}
        name = credentials["existingSecret"]["name"]
        needed.append(_named("Secret", name, namespace, stringData=texts))
    if authority := database.get("ca", {}).get("configMap"):
        data = {authority["key"]: "certificate"}
        needed.append(_named("ConfigMap", authority["name"], namespace, data=data))
    return needed


def _named(kind: str, name: str, namespace: str, **rest: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata, **rest}


def _becomes_ready(
    kubectl: Kubectl, api: client.ApiClient, aws: AwsServer, resource: dict[str, Any], *apply: str
) -> None:
    namespace = resource["metadata"]["namespace"]
    secret = resource["spec"]["database"]["credentials"].get("secretsManager", {}).get("secretId")
    try:
        kubectl.apply(_needs(resource, aws))
        kubectl("apply", *apply)
        LiveCart(api, namespace).wait_ready()
    finally:
        kubectl("delete", "namespace", namespace)
        if secret:
            aws.delete_secret(secret)


@pytest.mark.parametrize("example", CASES, ids=lambda path: path.stem)
def test_an_example_becomes_ready(
    kubectl: Kubectl, api: client.ApiClient, aws_server: AwsServer, example: Path
) -> None:
    resource = yaml.safe_load(example.read_text())

    _becomes_ready(kubectl, api, aws_server, resource, "--filename", str(example))


@pytest.mark.parametrize("stage", STAGES, ids=lambda path: path.name)
def test_a_stage_becomes_ready(
    kubectl: Kubectl, api: client.ApiClient, aws_server: AwsServer, stage: Path
) -> None:
    made = list(yaml.safe_load_all(kubectl("kustomize", str(stage))))
    (resource,) = [one for one in made if one["kind"] == "CartService"]

    _becomes_ready(kubectl, api, aws_server, resource, "--kustomize", str(stage))


def test_a_stage_has_an_image_namespace_and_secret_of_its_own(kubectl: Kubectl) -> None:
    assert [stage.name for stage in STAGES] == ["production", "staging"]
    for stage, environment in {"staging": "staging", "production": "prod"}.items():
        folder = _EXAMPLES / "gitops" / stage
        made = list(yaml.safe_load_all(kubectl("kustomize", str(folder))))
        told = {one["kind"]: one for one in made}
        spec = told["CartService"]["spec"]
        (image,) = yaml.safe_load((folder / "kustomization.yaml").read_text())["images"]

        assert spec["image"] == f"{image['newName']}:{image['newTag']}"
        assert told["CartService"]["metadata"]["namespace"] == f"shop-{stage}"
        assert told["Namespace"]["metadata"]["name"] == f"shop-{stage}"
        source = spec["database"]["credentials"]["secretsManager"]
        assert source == {"secretId": f"{environment}/carthub/db", "region": "eu-west-1"}
