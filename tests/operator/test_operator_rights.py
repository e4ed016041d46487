"""What the operator may do: every right is used, none is missing, and nothing else is possible.

That each right is needed is in faults/test_rights.py.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from kubernetes import client

from carthub_dev import operator_process
from carthub_dev.aws import AwsServer
from carthub_dev.control_plane import ControlPlane
from carthub_dev.ledger import Ledger
from carthub_operator import kinds
from tests.support import control_plane as plane_clients
from tests.support import rights
from tests.support.live_operator import requests
from tests.support.rights import Right
from tests.support.rights_stage import SWITCHES, WATCHED, RightsStage, rights_stage

# Asked at admission, which no audit log tells of; faults/test_rights.py shows what it is for.
UNSEEN = {Right("carthub.io", "cartservices/finalizers", "update")}


@pytest.fixture
def stage(
    own_control_plane: ControlPlane, ledger: Ledger, aws_server: AwsServer
) -> Iterator[RightsStage]:
    with rights_stage(own_control_plane, ledger, aws_server) as made:
        yield made


def test_a_whole_life_uses_every_right_and_misses_none(
    own_control_plane: ControlPlane, ledger: Ledger, aws_server: AwsServer
) -> None:
    mark = own_control_plane.audit_mark()
    with rights_stage(own_control_plane, ledger, aws_server) as stage:
        _live(stage)
        given = stage.roles.given()

    made = [one for one in requests(own_control_plane, mark) if one.resource]
    assert {f"{one.verb} {one.uri}" for one in made if one.code == 403} == set()
    used = rights.used(made)
    assert given - UNSEEN - used == set(), "given and never used"
    assert used - given == set(), "used and never given"


def _live(stage: RightsStage) -> None:
    cart = stage.cart
    stage.apply()
    cart.wait_ready()
    for plural in WATCHED:
        stage.wait(stage.unmark(plural), f"{plural} marked again")
    stage.wait(stage.edit("services"), "the Service set back")
    stage.wait(stage.delete("serviceaccounts"), "the ServiceAccount again")
    stage.wait(stage.roll_out(), "another image")
    stage.wait(stage.unmark_job(), "the Job read")
    stage.wait(stage.rotate(), "the other password")
    stage.wait(stage.delete_secret(), "the Secret again")
    for plural in SWITCHES:
        cart.eventually(stage.switch_off(plural), what=f"no {plural}")
    stage.touch_lease()
    # There may be one of an operator before this one.
    stage.delete_lease()
    cart.eventually(stage.has_lease, what="the Lease again")

    cart.migration_fails = "relation carts is in use"
    stage.roll_out()
    cart.wait_for("MigrationSucceeded", "False", "MigrationFailed")
    cart.delete("CartService", "backend")
    cart.eventually(lambda: cart.get("CartService", "backend") is None, what="it is gone")


def test_nothing_else_is_allowed(stage: RightsStage) -> None:
    _is_denied(stage)
    _is_refused(stage)


def _is_denied(stage: RightsStage) -> None:
    """Ask the authorizer."""
    own, roles = stage.cart.namespace, stage.roles
    elsewhere = {right for right in roles.given() if right.resource != "leases"}
    secrets = {Right("", "secrets", verb) for verb in ("list", "watch", "delete", "update")}
    pods = {Right("", "pods/exec", "create"), Right("", "pods/log", "get")}
    own_resource = {
        Right("carthub.io", "cartservices", verb) for verb in ("create", "patch", "delete")
    }
    escalation = {
        Right("rbac.authorization.k8s.io", plural, verb)
        for plural in ("roles", "rolebindings", "clusterroles", "clusterrolebindings")
        for verb in ("create", "patch", "bind", "escalate")
    }

    assert not [right for right in elsewhere if not roles.allows(right, own)]
    for right in secrets | pods | own_resource | escalation:
        assert not roles.allows(right, own), right
    for right in elsewhere | secrets:
        assert not roles.allows(right, "default"), right
        assert not roles.allows(right), right
    assert not roles.allows(Right("coordination.k8s.io", "leases", "get"), own, "another")


def _is_refused(stage: RightsStage) -> None:
    """Try, with the operator's own token."""
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "backend"}}
    kubeconfig = stage.stage.plane.folder / "carthub-operator.kubeconfig"
    with plane_clients.api_client(kubeconfig) as api:
        core = client.CoreV1Api(api)
        tries: dict[str, Callable[[], object]] = {
            "create elsewhere": lambda: core.create_namespaced_service_account("default", account),
            "list all": lambda: client.AppsV1Api(api).list_deployment_for_all_namespaces(),
            "list own Secrets": lambda: core.list_namespaced_secret(stage.cart.namespace),
            "watch own Secrets": lambda: core.list_namespaced_secret(
                stage.cart.namespace, watch=True
            ),
            "read elsewhere": lambda: core.read_namespaced_secret("any", "kube-system"),
        }
        for what, attempt in tries.items():
            with pytest.raises(client.ApiException) as refused:
                attempt()
            assert refused.value.status == 403, what


def test_both_forms_give_the_same_rights() -> None:
    everywhere, named = (operator_process.manifests(form) for form in ("operator", "namespaced"))

    assert _of(named, "ClusterRole") == _of(everywhere, "ClusterRole")
    assert _of(named, "Role") == _of(everywhere, "Role")
    assert _of(named, "ClusterRoleBinding") == []
    (wide,) = _of(everywhere, "ClusterRoleBinding")
    narrow = [
        one
        for one in _of(named, "RoleBinding")
        if one["metadata"]["name"] == operator_process.BINDING
    ]
    assert narrow
    for binding in narrow:
        assert binding["roleRef"] == wide["roleRef"]
        assert binding["subjects"] == wide["subjects"]
    (deployment,) = _of(named, "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    watched = next(one for one in container["env"] if one["name"] == "CARTHUB_NAMESPACES")
    assert watched["value"].split(",") == [one["metadata"]["namespace"] for one in narrow]


def _of(manifests: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [one for one in manifests if one["kind"] == kind]


def test_every_watched_kind_has_its_steps() -> None:
    plurals = {kind.plural for kind in (*kinds.WATCHED_CHILDREN, kinds.SERVICE_MONITOR)}

    assert set(WATCHED) == plurals - {kinds.JOB.plural}
