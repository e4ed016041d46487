import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from kubernetes import client, dynamic
from kubernetes.client.exceptions import ApiException

from carthub_dev.control_plane import ControlPlane
from carthub_dev.kubernetes_flags import ControlPlaneOptions
from carthub_dev.ledger import Ledger
from carthub_dev.processes import wait_until
from carthub_dev.toolchain import kubectl, tool_set
from tests.support.control_plane import apply, dynamic_client, find, new_namespace


@pytest.fixture
def api(control_plane: ControlPlane) -> Iterator[dynamic.DynamicClient]:
    with dynamic_client(control_plane.kubeconfig) as opened:
        yield opened


@pytest.fixture
def namespace(api: dynamic.DynamicClient) -> Iterator[str]:
    with new_namespace(
        api.client, labels={"pod-security.kubernetes.io/enforce": "restricted"}
    ) as name:
        yield name


def config_map(namespace: str, name: str, **metadata: object) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace, **metadata},
        "data": {"key": "value"},
    }


def test_it_reports_the_version_that_is_pinned(control_plane: ControlPlane) -> None:
    pinned = tool_set("kubernetes").version_of("k8s.io/kubernetes")
    said = subprocess.run(
        [kubectl(), "--kubeconfig", control_plane.kubeconfig, "version"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert f"Server Version: {pinned}" in said


def test_an_owned_object_is_collected_with_its_owner(
    api: dynamic.DynamicClient, namespace: str
) -> None:
    owner = apply(api, config_map(namespace, "owner"))
    reference = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "name": "owner",
        "uid": owner["metadata"]["uid"],
    }
    apply(api, config_map(namespace, "owned", ownerReferences=[reference]))

    client.CoreV1Api(api.client).delete_namespaced_config_map("owner", namespace)

    wait_until(
        lambda: find(api, "ConfigMap", "owned", namespace=namespace) is None,
        60,
        what="the end of the owned object",
    )


def test_a_deployment_gets_its_pods_but_no_pod_that_is_not_restricted(
    api: dynamic.DynamicClient, namespace: str
) -> None:
    pod = {"containers": [{"name": "main", "image": "none"}]}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "loose", "namespace": namespace},
        "spec": {
            "selector": {"matchLabels": {"app": "loose"}},
            "template": {"metadata": {"labels": {"app": "loose"}}, "spec": pod},
        },
    }
    apply(api, deployment)

    def is_refused() -> bool:
        found = find(api, "Deployment", "loose", namespace=namespace, api_version="apps/v1") or {}
        conditions = found.get("status", {}).get("conditions", [])
        return any("PodSecurity" in condition.get("message", "") for condition in conditions)

    wait_until(is_refused, 60, what="the refusal by Pod Security")


def test_a_user_may_do_what_is_granted_to_a_group(
    control_plane: ControlPlane, api: dynamic.DynamicClient, namespace: str
) -> None:
    name = f"readers-{namespace}"
    rbac = "rbac.authorization.k8s.io"
    where = {"name": name, "namespace": namespace}
    apply(
        api,
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "Role",
            "metadata": where,
            "rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list"]}],
        },
    )
    apply(
        api,
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "RoleBinding",
            "metadata": where,
            "roleRef": {"apiGroup": rbac, "kind": "Role", "name": name},
            "subjects": [{"apiGroup": rbac, "kind": "Group", "name": name}],
        },
    )
    with dynamic_client(control_plane.kubeconfig_for(f"alice-{namespace}", [name])) as alice:
        core = client.CoreV1Api(alice.client)
        wait_until(lambda: is_allowed(core, namespace), 60, what="the grant to the group")
        with pytest.raises(ApiException, match="secrets is forbidden"):
            core.list_namespaced_secret(namespace)


def is_allowed(core: client.CoreV1Api, namespace: str) -> bool:
    try:
        core.list_namespaced_config_map(namespace)
    except ApiException as error:
        if error.status != 403:
            raise
        return False
    return True


def test_writes_are_counted_by_who_made_them(
    control_plane: ControlPlane, api: dynamic.DynamicClient, namespace: str
) -> None:
    with dynamic_client(
        control_plane.kubeconfig_for(f"bob-{namespace}", ["system:masters"])
    ) as bob:
        bob.client.user_agent = "counted/1"
        mark = control_plane.audit_mark()
        apply(bob, config_map(namespace, "one"))
        apply(api, config_map(namespace, "other"))

        def counted() -> list[str]:
            return [
                f"{event.verb} {event.resource}/{event.name} {event.code}"
                for event in control_plane.audit_events(mark)
                if event.is_write and event.user == f"bob-{namespace}"
            ]

        wait_until(lambda: bool(counted()), 60, what="the write in the log")
        assert counted() == ["patch configmaps/one 201"]
        [event] = [e for e in control_plane.audit_events(mark) if e.name == "one"]
        assert event.user_agent == "counted/1"
        assert event.namespace == namespace


@pytest.mark.usefixtures("control_plane_tools")
def test_the_api_server_stops_and_comes_back_at_the_same_address(ledger: Ledger) -> None:
    options = ControlPlaneOptions(has_scheduler=True)
    with ControlPlane(ledger, options) as own, dynamic_client(own.kubeconfig) as api:
        apply(api, config_map("default", "kept"))
        url = own.url
        own.stop()
        assert not own.api_server.is_running
        own.start()
        assert own.url == url
        assert find(api, "ConfigMap", "kept", namespace="default") is not None
        folder = own.folder
    assert not folder.exists()
