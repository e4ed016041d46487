"""What a version has stored is valid under this definition, and reads the same.

On a real API server, in groups of the test's own: other tests use the definition meanwhile.
"""

import contextlib
import copy
import itertools
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import client, dynamic

from carthub_dev.control_plane import ControlPlane
from carthub_operator.api import names, resource
from tests.support import control_plane as planes
from tests.support import golden
from tests.support.crd import CRD_FILE
from tests.support.crd_changes import incompatible

Object = dict[str, Any]

HERE = Path(__file__).parent
FROZEN = sorted(HERE.glob(f"v*/crds/{CRD_FILE.name}"))
IMAGE = "registry.example.com/carthub-service:9.9.9"
# A property that is there in one round only: the server answers by this definition.
_MARK = "playedRound"
_DEADLINE_SECONDS = 60
_rounds = itertools.count(1)


class Stage:
    """One definition under a group of its own, and objects of it in one namespace."""

    def __init__(self, api: dynamic.DynamicClient, group: str, namespace: str) -> None:
        self._api = api
        self._objects = client.CustomObjectsApi(api.client)
        self._group = group
        self._place = (group, names.VERSION, namespace, names.PLURAL)

    def define(self, definition: Object) -> None:
        """Install a definition, or upgrade to it; return once the server answers by it."""
        mark = next(_rounds)
        marked = copy.deepcopy(definition)
        marked["metadata"]["name"] = f"{names.PLURAL}.{self._group}"
        marked["spec"]["group"] = self._group
        for version in marked["spec"]["versions"]:
            properties = version["schema"]["openAPIV3Schema"]["properties"]
            properties[_MARK] = {"type": "integer", "enum": [mark]}
        planes.apply(self._api, marked)
        probe = golden.read(HERE / "v0.1.0" / "minimal.yaml")[0] | {_MARK: mark}
        probe["metadata"] = {"name": "probe"}
        deadline = time.monotonic() + _DEADLINE_SECONDS
        while not self._is_known(probe):
            assert time.monotonic() < deadline, "the definition is not served in time"
            time.sleep(0.05)

    def undefine(self) -> None:
        """Remove the definition, and with it all objects."""
        client.ApiextensionsV1Api(self._api.client).delete_custom_resource_definition(
            f"{names.PLURAL}.{self._group}", _request_timeout=planes.REQUEST_SECONDS
        )

    def store(self, given: Object) -> Object:
        """Create an object with its status, and return it as it is read."""
        self.create(given)
        return self.tell(given["metadata"]["name"], given["status"])

    def create(self, given: Object, **options: Any) -> Object:
        """Create an object; its status is left out by the server."""
        metadata = {"name": given["metadata"]["name"]}
        body = {**given, "apiVersion": f"{self._group}/{names.VERSION}", "metadata": metadata}
        created: Object = self._objects.create_namespaced_custom_object(
            *self._place,
            body,
            field_validation="Strict",
            _request_timeout=planes.REQUEST_SECONDS,
            **options,
        )
        return created

    def read(self, name: str) -> Object:
        """Return an object as the server reads it."""
        found: Object = self._objects.get_namespaced_custom_object(
            *self._place, name, _request_timeout=planes.REQUEST_SECONDS
        )
        return found

    def deploy(self, name: str) -> Object:
        """Replace an object by what is read of it with another image, as `kubectl edit` does.

        A label would not do: the server lets be what is wrong in a spec that does not change.
        """
        found = self.read(name)
        found["spec"]["image"] = IMAGE
        replaced: Object = self._objects.replace_namespaced_custom_object(
            *self._place,
            name,
            found,
            field_validation="Strict",
            _request_timeout=planes.REQUEST_SECONDS,
        )
        return replaced

    def tell(self, name: str, status: Object) -> Object:
        """Write a status, as the operator does."""
        told: Object = self._objects.patch_namespaced_custom_object_status(
            *self._place,
            name,
            {"status": status},
            field_validation="Strict",
            _request_timeout=planes.REQUEST_SECONDS,
        )
        return told

    def _is_known(self, probe: Object) -> bool:
        try:
            self.create(probe, dry_run="All")
        except client.ApiException as error:
            # Where it is refused for something else, its mark is known.
            return error.status == 422 and _MARK not in json.loads(error.body)["message"]
        return True


@pytest.fixture
def stage(control_plane: ControlPlane) -> Iterator[Stage]:
    with contextlib.ExitStack() as stack:
        api = stack.enter_context(planes.dynamic_client(control_plane.kubeconfig))
        namespace = stack.enter_context(planes.new_namespace(api.client))
        made = Stage(api, f"{namespace}.example.com", namespace)
        try:
            yield made
        finally:
            made.undefine()


def stored(definition: Path) -> dict[str, Object]:
    """Return the objects of a version by the names they get here."""
    found = {}
    for file in sorted(definition.parents[1].glob("*.yaml")):
        given, _ = golden.read(file)
        found[file.stem] = {**given, "metadata": {"name": file.stem}}
    return found


def lost(before: object, now: object) -> bool:
    """Tell whether something that was read is read as something else or not at all."""
    if isinstance(before, dict) and isinstance(now, dict):
        return any(key not in now or lost(value, now[key]) for key, value in before.items())
    return before != now


def kept(ask: Callable[[], Object]) -> Object | None:
    """Return the spec of an answer but for its image, None where the server refuses."""
    try:
        return {**ask()["spec"], "image": IMAGE}
    except client.ApiException as error:
        if error.status not in {400, 422}:
            raise
        return None


@pytest.mark.parametrize("frozen", FROZEN, ids=lambda file: file.parents[1].name)
def test_what_a_version_has_stored_stays_valid_and_reads_the_same(
    stage: Stage, frozen: Path
) -> None:
    given = stored(frozen)
    stage.define(yaml.safe_load(frozen.read_text()))
    before = {name: stage.store(one) for name, one in given.items()}

    stage.define(yaml.safe_load(CRD_FILE.read_text()))

    assert before
    for name, was in before.items():
        now = stage.read(name)
        assert not lost(was["spec"], now["spec"])
        assert not lost(was["status"], now["status"])
        # As the operator reads it.
        parsed = resource.parse(now)
        assert parsed.status == now["status"]
        # What the operator and people do with it goes on; and a backup can be restored.
        deployed = stage.deploy(name)
        assert deployed["spec"] == {**now["spec"], "image": IMAGE}
        assert deployed["status"] == now["status"]
        assert stage.tell(name, was["status"])["status"] == now["status"]
        again = {**given[name], "metadata": {"name": f"{name}-restored"}}
        assert stage.create(again)["spec"] == now["spec"]


def _a_field_goes(spec: Object) -> None:
    del spec["properties"]["logLevel"]


def _a_field_is_required(spec: Object) -> None:
    spec["properties"]["owner"] = {"type": "string"}
    spec["required"] = [*spec["required"], "owner"]


def _a_default_changes(spec: Object) -> None:
    spec["properties"]["replicas"]["default"] = 3


@pytest.mark.parametrize(
    ("change", "broken"),
    [
        (_a_field_goes, {"read", "deploy", "restore"}),
        (_a_field_is_required, {"deploy", "restore"}),
        (_a_default_changes, {"restore"}),
    ],
    ids=["a field goes", "a field is required", "a default changes"],
)
def test_what_the_comparison_refuses_breaks_an_object_on_the_server(
    stage: Stage, change: Callable[[Object], None], broken: set[str]
) -> None:
    now = yaml.safe_load(CRD_FILE.read_text())
    stage.define(now)
    given = stored(FROZEN[-1])["production"]
    stage.store(given)
    before = {**stage.read("production")["spec"], "image": IMAGE}
    worse = copy.deepcopy(now)
    change(worse["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"])
    assert len(incompatible(now, worse)) == 1

    stage.define(worse)

    tries = {
        "read": lambda: stage.read("production"),
        "deploy": lambda: stage.deploy("production"),
        "restore": lambda: stage.create({**given, "metadata": {"name": "restored"}}),
    }
    assert broken == {what for what, ask in tries.items() if lost(before, kept(ask))}
