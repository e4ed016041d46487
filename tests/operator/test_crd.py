"""The CRD on a real API server: what it accepts, what it refuses, and with which words."""

import itertools
import json
import pathlib
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import yaml
from kubernetes import client

from carthub_dev.control_plane import ControlPlane
from carthub_operator.api import crd, names, resource
from tests.support import control_plane as planes
from tests.support import crd as crds
from tests.support.corpus.refusals import Bad
from tests.support.corpus.whole import BAD, GOOD
from tests.support.crd import CRD_FILE, ROOT
from tests.support.live_cart import LiveCart
from tests.support.resources import raw_cart_service, without_nones

EXAMPLES = sorted((ROOT / "examples").glob("*.yaml"))
PAGES = sorted(
    page
    for page in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"))
    if f"kind: {names.KIND}\n" in page.read_text()
)

Try = Callable[[dict[str, Any]], dict[str, Any]]


@pytest.fixture(scope="module")
def api(control_plane: ControlPlane) -> Iterator[client.ApiClient]:
    crds.install(control_plane.kubeconfig)
    with planes.api_client(control_plane.kubeconfig) as opened:
        yield opened


@pytest.fixture(scope="module")
def try_create(api: client.ApiClient) -> Try:
    """What the API server would store; a refusal is a ValueError with its message."""

    def try_create(raw: dict[str, Any]) -> dict[str, Any]:
        try:
            stored: dict[str, Any] = client.CustomObjectsApi(api).create_namespaced_custom_object(
                *(names.GROUP, names.VERSION, "default", names.PLURAL),
                {**raw, "metadata": {**raw["metadata"], "namespace": "default"}},
                dry_run="All",
                field_validation="Strict",
                _request_timeout=planes.REQUEST_SECONDS,
            )
        except client.ApiException as error:
            raise ValueError(json.loads(error.body)["message"]) from None
        return stored

    return try_create


def test_the_file_equals_what_the_model_gives(capsys: pytest.CaptureFixture[str]) -> None:
    crd.main()

    assert CRD_FILE.read_text() == capsys.readouterr().out


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_the_examples_are_accepted(try_create: Try, example: pathlib.Path) -> None:
    assert try_create(yaml.safe_load(example.read_text()))


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_the_resources_in_the_documentation_are_accepted(
    try_create: Try, page: pathlib.Path
) -> None:
    blocks = re.findall(r"^```yaml\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)
    for raw in itertools.chain(*map(yaml.safe_load_all, blocks)):
        if isinstance(raw, dict) and raw.get("kind") == names.KIND:
            assert try_create(raw)


@pytest.mark.parametrize("spec", GOOD.values(), ids=GOOD)
def test_a_good_spec_is_accepted_and_read_as_it_is_stored(
    try_create: Try, spec: dict[str, Any]
) -> None:
    stored = try_create(raw_cart_service(**spec))

    written = raw_cart_service(**spec)
    written["metadata"]["uid"] = "u"
    assert resource.parse(stored).spec == resource.parse(written).spec


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_a_bad_spec_is_refused_with_what_to_do(try_create: Try, bad: Bad) -> None:
    with pytest.raises(ValueError, match=r"spec|field") as refusal:
        try_create(without_nones(raw_cart_service(**bad.spec)))

    assert bad.says in str(refusal.value)


@pytest.mark.parametrize("name", ["9lives", "a" * 41, "with.dot"])
def test_a_name_that_makes_illegal_children_is_refused(try_create: Try, name: str) -> None:
    with pytest.raises(ValueError, match="must be a DNS-1035 label of at most 40 characters"):
        try_create(raw_cart_service(name=name))


def test_no_default_hides_in_a_list_where_gitops_tools_show_it_as_drift() -> None:
    def defaults(schema: dict[str, Any], *, in_list: bool) -> Iterator[str]:
        for name, part in schema.get("properties", {}).items():
            if in_list and "default" in part:
                yield name
            yield from defaults(part, in_list=in_list)
        if "items" in schema:
            yield from defaults(schema["items"], in_list=True)

    (version,) = crd.manifest()["spec"]["versions"]

    assert list(defaults(version["schema"]["openAPIV3Schema"], in_list=False)) == []


def test_every_field_is_described() -> None:
    def undescribed(schema: dict[str, Any], path: str) -> Iterator[str]:
        for name, part in schema.get("properties", {}).items():
            if not part.get("description"):
                yield f"{path}.{name}"
            yield from undescribed(part, f"{path}.{name}")
        if "items" in schema:
            yield from undescribed(schema["items"], f"{path}[]")

    (version,) = crd.manifest()["spec"]["versions"]
    spec = version["schema"]["openAPIV3Schema"]["properties"]["spec"]

    assert list(undescribed(spec, "spec")) == []


def test_a_fresh_resource_is_not_taken_for_finished(try_create: Try) -> None:
    assert try_create(raw_cart_service())["status"] == {"observedGeneration": -1}


def test_the_scale_subresource_writes_the_replicas(api: client.ApiClient) -> None:
    with planes.new_namespace(api) as namespace:
        custom = client.CustomObjectsApi(api)
        where = (names.GROUP, names.VERSION, namespace, names.PLURAL)
        custom.create_namespaced_custom_object(
            *where, raw_cart_service(namespace=namespace, autoscaling={"enabled": False})
        )
        custom.patch_namespaced_custom_object_scale(*where, "backend", {"spec": {"replicas": 5}})
        stored = custom.get_namespaced_custom_object(*where, "backend")
        selected = custom.list_namespaced_custom_object(
            *where, field_selector=f"spec.image={stored['spec']['image']}"
        )

    assert stored["spec"]["replicas"] == 5
    assert [item["metadata"]["name"] for item in selected["items"]] == ["backend"]


@pytest.mark.parametrize(
    "spec",
    [
        {"podLabels": {"team": "shop"}},
        {"podAnnotations": {"team": "shop"}},
        {"network": {"allowFrom": [{"podSelector": {}}]}},
        {"serviceAccount": {"annotations": {"eks.amazonaws.com/role-arn": "a"}}},
        {"scheduling": {"nodeSelector": {"disk": "ssd"}}},
        {"resources": {"requests": {"cpu": "1", "memory": "1Gi"}}},
        {"autoscaling": {"minReplicas": 3}},
        {"env": [{"name": "A", "value": "b"}]},
        {"imagePullSecrets": [{"name": "a"}]},
    ],
    ids=lambda spec: next(iter(spec)),
)
def test_what_was_given_can_be_emptied_by_server_side_apply(
    api: client.ApiClient, spec: dict[str, Any]
) -> None:
    ((field, value),) = spec.items()
    with planes.new_namespace(api) as namespace:
        cart = LiveCart(api, namespace)
        cart.apply(**spec)

        emptied = cart.apply(**{field: type(value)()})

        assert emptied["spec"].get(field) is not None or field not in emptied["spec"]
