"""What the builders make, on a real API server: whatever the spec, nothing of it is refused."""

import dataclasses
import functools
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from kubernetes import client, dynamic

from carthub_dev.control_plane import ControlPlane
from carthub_operator import compare
from carthub_operator.api import names, resource
from carthub_operator.desired.children import plan
from carthub_operator.desired.facts import Facts, Manifest, MigrationState
from carthub_operator.desired.replicas import replicas
from tests.support import control_plane as planes
from tests.support import crd
from tests.support.corpus.whole import GOOD
from tests.support.resources import UID, credentials, raw_cart_service
from tests.support.specs import specs

RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}

Submit = Callable[[Manifest], tuple[Manifest, Manifest]]


@pytest.fixture(scope="module")
def submit(control_plane: ControlPlane) -> Iterator[Submit]:
    """Apply a manifest for the server's judgement alone, in a namespace of restricted pods.

    Gives what was sent, and the object as it would be stored.
    """
    crd.install(control_plane.kubeconfig)
    with (
        planes.dynamic_client(control_plane.kubeconfig) as api,
        planes.new_namespace(api.client, labels=RESTRICTED) as namespace,
    ):
        account = {"metadata": {"name": "backend"}}
        client.CoreV1Api(api.client).create_namespaced_service_account(namespace, account)
        yield functools.partial(_submit, api, namespace)


def _submit(
    api: dynamic.DynamicClient, namespace: str, manifest: Manifest
) -> tuple[Manifest, Manifest]:
    kind = api.resources.get(api_version=manifest["apiVersion"], kind=manifest["kind"])
    metadata = {**manifest["metadata"], "namespace": namespace}
    sent = {**manifest, "metadata": metadata}
    stored, _, _ = api.client.call_api(
        kind.path(name=metadata["name"], namespace=namespace),
        "PATCH",
        body=_text(sent),
        query_params=[
            ("fieldManager", names.FIELD_MANAGER),
            ("fieldValidation", "Strict"),
            ("dryRun", "All"),
        ],
        header_params={"Content-Type": "application/apply-patch+yaml; charset=utf-8"},
        response_types_map={200: "object", 201: "object"},
        _request_timeout=planes.REQUEST_SECONDS,
    )
    return sent, stored


def _text(manifest: Manifest) -> str:
    """JSON that is YAML too, as the API server reads an applied manifest.

    The client's own escapes what is beyond 16 bits as two surrogates, which are not YAML.
    """
    text = json.dumps(manifest, ensure_ascii=False)
    return re.sub("[\x7f-\uffff]", lambda found: f"\\u{ord(found[0]):04x}", text)


def _pod(template: dict[str, Any]) -> Manifest:
    """A pod as the template gives it: only pods themselves meet Pod Security."""
    metadata = {**template["metadata"], "name": "one"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}


def _everything(raw: dict[str, Any]) -> Iterator[Manifest]:
    """The resource, its children before and after the migration, and their pods."""
    yield raw
    read = {**raw, "metadata": {**raw["metadata"], "uid": UID}}
    cart = resource.parse(read)
    known = dataclasses.replace(credentials(), host=cart.spec.database.host or "db")
    before = plan(cart, Facts(known, MigrationState.NOT_STARTED))
    after = plan(cart, Facts(known, MigrationState.SUCCEEDED))
    for child in (*before.create, *after.apply):
        yield child
        if "template" in child.get("spec", {}):
            yield _pod(child["spec"]["template"])
    counts = replicas(cart, exists=False)
    assert counts is not None
    (deployment,) = (child for child in after.apply if child["kind"] == "Deployment")
    yield {**deployment, "spec": {**deployment["spec"], **counts["spec"]}}


def _hold(submit: Submit, spec: dict[str, Any]) -> None:
    for manifest in _everything(raw_cart_service(**spec)):
        sent, stored = submit(manifest)
        if manifest["kind"] not in {names.KIND, "Pod"}:
            # Else every pass would write it again.
            assert not compare.differs(sent, stored, field_manager=names.FIELD_MANAGER)


@pytest.mark.parametrize("spec", GOOD.values(), ids=GOOD)
def test_children_of_good_specs_are_admitted_and_stored_as_written(
    submit: Submit, spec: dict[str, Any]
) -> None:
    _hold(submit, spec)


def test_a_pod_that_is_not_restricted_is_refused_here(submit: Submit) -> None:
    """The judge judges: without this the tests around it would prove nothing."""
    *_, pod = (one for one in _everything(raw_cart_service()) if one["kind"] == "Pod")
    (container,) = pod["spec"]["containers"]
    lax = {key: value for key, value in container.items() if key != "securityContext"}

    with pytest.raises(client.ApiException, match="violates PodSecurity"):
        submit({**pod, "spec": {**pod["spec"], "containers": [lax]}})


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(spec=specs)
def test_children_of_any_spec_are_admitted_and_stored_as_written(
    submit: Submit, spec: dict[str, Any]
) -> None:
    _hold(submit, spec)
