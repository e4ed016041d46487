"""Everything that the chart renders, as a real API server and kubeconform see it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from carthub_dev import manifests
from carthub_dev.control_plane import ControlPlane
from carthub_dev.helm import Helm
from carthub_dev.kubectl import Kubectl, KubectlFailed
from tests.support.charts import CASES, conform, of_kind, values, write_schemas
from tests.support.cluster import eventually
from tests.support.live_cart import LiveCart, live_cart
from tests.support.protection import annotate, protected, refusal

_NAMESPACES = ("carthub-system", "shop", "staging")


@pytest.fixture(scope="module")
def schemas(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("schemas")
    write_schemas(control_plane, folder)
    return folder


@pytest.fixture(scope="module")
def kubectl(
    schemas: Path,  # noqa: ARG001 - whose definitions it has
    control_plane: ControlPlane,
) -> Kubectl:
    called = Kubectl(control_plane.kubeconfig)
    called.apply(manifests.namespace(name) for name in _NAMESPACES)
    # A controller makes it a little later, and without it no pod is admitted.
    for name in _NAMESPACES:
        words = ("get", "serviceaccount", "default", "-n", name, "--ignore-not-found", "-o", "name")
        eventually(lambda: called(*words), what=f"the default account of {name}")  # noqa: B023 - used in this round only
    return called


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.stem)
def test_kubeconform_knows_every_field(helm: Helm, schemas: Path, case: Path) -> None:
    objects = helm.objects(values=values(case.stem))

    done = conform(yaml.safe_dump_all(objects), schemas)

    assert done.returncode == 0, done.stdout
    assert f"Summary: {len(objects)} resources found" in done.stdout
    assert f"Valid: {len(objects)}, Invalid: 0, Errors: 0, Skipped: 0" in done.stdout


def test_kubeconform_refuses_a_field_that_nobody_knows(helm: Helm, schemas: Path) -> None:
    for kind, place in {"Deployment": "template", "PrometheusRule": "groups"}.items():
        (wrong,) = of_kind(helm.objects(values=values("monitoring")), kind)
        wrong["spec"][f"{place}s"] = {}

        done = conform(yaml.safe_dump(wrong), schemas)

        assert done.returncode == 1
        assert f"additional properties '{place}s' not allowed" in done.stdout


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.stem)
def test_the_api_server_takes_all_of_it(helm: Helm, kubectl: Kubectl, case: Path) -> None:
    objects = helm.objects(values=values(case.stem))

    said = kubectl(
        *("apply", "--server-side", "--force-conflicts", "--dry-run=server", "--filename", "-"),
        text=yaml.safe_dump_all(objects),
    )

    assert said.count("serverside-applied (server dry run)") == len(objects)


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.stem)
def test_its_pods_are_admitted_where_pod_security_is_restricted(
    helm: Helm, kubectl: Kubectl, case: Path
) -> None:
    objects = helm.objects(values=values(case.stem))
    (deployment,) = of_kind(objects, "Deployment")
    pods = [{**deployment["spec"]["template"], "apiVersion": "v1", "kind": "Pod"}]
    pods[0]["metadata"] |= {"name": "operator", "namespace": "carthub-system"}
    # The account must be there for a pod, and is of the same chart.
    pods[0]["spec"]["serviceAccountName"] = "default"
    pods += of_kind(objects, "Pod")

    said = kubectl("create", "--dry-run=server", "--filename", "-", text=yaml.safe_dump_all(pods))

    assert said.count("created (server dry run)") == len(pods) == 2


@pytest.fixture
def cart(kubectl: Kubectl, control_plane: ControlPlane) -> Iterator[LiveCart]:
    """A CartService that is protected, in a cluster with the chart's policy."""
    with live_cart(control_plane) as made:
        made.apply()
        with protected(kubectl, made):
            yield made


def test_a_protected_cart_service_cannot_be_deleted(cart: LiveCart, kubectl: Kubectl) -> None:
    said = refusal(kubectl, cart)
    with pytest.raises(KubectlFailed, match="is protected"):
        kubectl("delete", "cartservices", "--all", "-n", cart.namespace)

    assert "CartService backend is protected: take the annotation carthub.io/protect off" in said
    assert cart.get("CartService", "backend") is not None


@pytest.mark.parametrize("value", ["false", None])
def test_another_deletes_as_ever(cart: LiveCart, kubectl: Kubectl, value: str | None) -> None:
    annotate(cart, value)

    assert refusal(kubectl, cart) == ""


def _labels(one: dict[str, Any]) -> dict[str, str]:
    labels: dict[str, str] = one["metadata"]["labels"]
    return labels


def test_no_selector_catches_the_pod_of_the_test(helm: Helm) -> None:
    objects = helm.objects()
    (deployment,), (pod,) = of_kind(objects, "Deployment"), of_kind(objects, "Pod")
    (service,), (budget,) = of_kind(objects, "Service"), of_kind(objects, "PodDisruptionBudget")

    wanted = deployment["spec"]["selector"]["matchLabels"]
    assert service["spec"]["selector"] == budget["spec"]["selector"]["matchLabels"] == wanted
    assert wanted.items() <= _labels(deployment["spec"]["template"]).items()
    assert not wanted.items() <= _labels(pod).items()
