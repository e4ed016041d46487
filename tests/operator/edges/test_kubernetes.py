"""The API server's behaviour that the operator stands on, on a real one."""

import os
import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from carthub_dev.control_plane import ControlPlane
from carthub_dev.ports import free_port
from carthub_operator import errors, kinds
from carthub_operator.api import names
from carthub_operator.edges.api_server import Timeouts
from carthub_operator.edges.kubernetes import KubernetesCluster
from tests.support import control_plane as planes
from tests.support.cluster import eventually

Calls = list[tuple[str, str, int]]
SERVICE = kinds.BY_NAME["Service"]


def _service(namespace: str, *, port: int = 80) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "one", "namespace": namespace, "labels": {"test": "yes"}},
        "spec": {"ports": [{"port": port, "protocol": "TCP"}]},
    }


@pytest.fixture
def calls() -> Calls:
    return []


Connect = Callable[[pathlib.Path], KubernetesCluster]


@pytest.fixture
def connect(calls: Calls) -> Iterator[Connect]:
    opened = []

    def connect(kubeconfig: pathlib.Path) -> KubernetesCluster:
        cluster = KubernetesCluster(
            str(kubeconfig),
            pool_size=2,
            on_call=lambda method, kind, code, _: calls.append((method, kind, code)),
            timeouts=Timeouts(connect_seconds=2.0, read_seconds=10.0),
        )
        opened.append(cluster)
        return cluster

    yield connect
    for cluster in opened:
        cluster.close()


@pytest.fixture
def cluster(control_plane: ControlPlane, connect: Connect) -> KubernetesCluster:
    return connect(control_plane.kubeconfig)


@pytest.fixture
def namespace(control_plane: ControlPlane) -> Iterator[str]:
    with (
        planes.api_client(control_plane.kubeconfig) as api,
        planes.new_namespace(api) as made,
    ):
        yield made


def test_creating_makes_an_object_and_never_touches_one_that_is_there(
    cluster: KubernetesCluster, namespace: str
) -> None:
    made = cluster.create(_service(namespace))

    with pytest.raises(errors.Conflict):
        cluster.create(_service(namespace, port=81))

    assert cluster.get(SERVICE, namespace, "one") == made


# Each of them is legal in an annotation: beyond U+FFFF, C1 controls, and what YAML reads otherwise.
TEXTS = [
    "\U0001f6d2 cart",
    "\x7f\x85\x9f",
    "\u2028\ufeff\ufffe",
    '\t\n\\ud83d "quoted"',
    "é",
    "- a: b",
]


@pytest.mark.parametrize("text", TEXTS, ids=ascii)
def test_any_text_arrives_as_it_was_sent(
    cluster: KubernetesCluster, namespace: str, text: str
) -> None:
    wanted = _service(namespace)
    wanted["metadata"]["annotations"] = {"text": text}

    assert cluster.create(wanted)["metadata"]["annotations"] == {"text": text}


def test_what_was_overwritten_can_be_dropped_later(
    cluster: KubernetesCluster, namespace: str
) -> None:
    wanted = _service(namespace)
    wanted["spec"]["ports"][0]["name"] = "http"
    made = cluster.create(wanted)
    uid = made["metadata"]["uid"]
    theirs = {"port": 80, "protocol": "TCP", "name": "theirs"}, {"port": 81, "name": "more"}
    cluster.change(
        SERVICE,
        namespace,
        "one",
        {"metadata": {"labels": {"test": "no"}}, "spec": {"ports": theirs}},
        field_manager="somebody",
    )

    cluster.overwrite(wanted, uid=uid)
    applied = cluster.apply(wanted, uid=uid)

    assert applied["spec"]["ports"] == made["spec"]["ports"]
    assert applied["metadata"]["labels"] == {"test": "yes"}
    assert [
        (one["manager"], one["operation"])
        for one in applied["metadata"]["managedFields"]
        if one["manager"] == names.FIELD_MANAGER
    ] == [(names.FIELD_MANAGER, "Apply")]
    del wanted["metadata"]["labels"]
    assert "labels" not in cluster.apply(wanted, uid=uid)["metadata"]


def test_applying_needs_the_same_object(cluster: KubernetesCluster, namespace: str) -> None:
    uid = cluster.create(_service(namespace))["metadata"]["uid"]
    other = "7c1e9f0a-0000-4000-8000-000000000001"
    with pytest.raises(errors.Conflict):
        cluster.apply(_service(namespace, port=81), uid=other)

    assert cluster.apply(_service(namespace, port=81), uid=uid)["spec"]["ports"][0]["port"] == 81

    cluster.delete(SERVICE, namespace, "one", uid=uid)
    with pytest.raises(errors.Conflict):
        cluster.apply(_service(namespace, port=82), uid=uid)
    assert cluster.get(SERVICE, namespace, "one") is None


def test_deleting_spares_another_object_of_the_name(
    cluster: KubernetesCluster, namespace: str
) -> None:
    cluster.create(_service(namespace))

    with pytest.raises(errors.Conflict):
        cluster.delete(SERVICE, namespace, "one", uid="7c1e9f0a-0000-4000-8000-000000000001")
    cluster.delete(SERVICE, namespace, "none", uid="7c1e9f0a-0000-4000-8000-000000000001")

    assert cluster.get(SERVICE, namespace, "one") is not None


def test_a_list_carries_kinds(cluster: KubernetesCluster, namespace: str) -> None:
    cluster.create(_service(namespace))

    listed = list(cluster.objects(SERVICE, namespace=namespace, selector="test=yes"))

    assert [(one["apiVersion"], one["kind"]) for one in listed] == [("v1", "Service")]


def test_a_refused_object_says_why(cluster: KubernetesCluster, namespace: str) -> None:
    with pytest.raises(errors.Rejected, match=r"Service one.*spec\.ports"):
        cluster.create(_service(namespace, port=0))


def test_what_is_said_of_a_secret_is_not_repeated(
    cluster: KubernetesCluster, namespace: str
) -> None:
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "one", "namespace": namespace},
        "data": {"canary is no name": ""},
    }
    with pytest.raises(errors.Rejected) as caught:
        cluster.create(secret)

    assert "canary" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_metadata_comes_without_the_values(cluster: KubernetesCluster, namespace: str) -> None:
    metadata = {"name": "one", "namespace": namespace, "labels": {"test": "yes"}}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": {"key": "dmFs"}}
    cluster.create(secret)

    found = cluster.metadata(kinds.SECRET, namespace, "one")

    assert found is not None
    assert (found["apiVersion"], found["kind"]) == ("v1", "Secret")
    assert found["metadata"]["labels"] == {"test": "yes"}
    assert set(found) == {"apiVersion", "kind", "metadata"}
    assert cluster.metadata(kinds.SECRET, namespace, "two") is None


def test_metadata_of_an_unknown_kind_is_none(cluster: KubernetesCluster, namespace: str) -> None:
    unknown = kinds.Kind("Thing", "example.com", "v1", "things")

    assert cluster.metadata(unknown, namespace, "one") is None


def test_a_quota_is_no_missing_right(
    control_plane: ControlPlane, cluster: KubernetesCluster, namespace: str
) -> None:
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "none", "namespace": namespace},
        "spec": {"hard": {"count/services": "0", "count/secrets": "0"}},
    }
    with planes.dynamic_client(control_plane.kubeconfig) as api:
        planes.apply(api, quota)

    eventually(
        lambda: _refusal(cluster, _service(namespace)) == errors.Rejected, what="the quota holds"
    )
    with pytest.raises(errors.Rejected, match=r"Secret one.*exceeded quota"):
        cluster.create(
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": "one", "namespace": namespace},
            }
        )


def _refusal(cluster: KubernetesCluster, manifest: dict[str, Any]) -> type[Exception] | None:
    try:
        made = cluster.create(manifest)["metadata"]
        cluster.delete(SERVICE, made["namespace"], made["name"], uid=made["uid"])
    except errors.CarthubError as error:
        return type(error)
    return None


def test_a_missing_right_is_named(
    control_plane: ControlPlane, connect: Connect, namespace: str
) -> None:
    nobody = connect(control_plane.kubeconfig_for("nobody"))

    with pytest.raises(errors.Forbidden, match="nobody"):
        nobody.get(SERVICE, namespace, "one")


def test_a_namespace_that_goes_takes_nothing_new(
    control_plane: ControlPlane, cluster: KubernetesCluster, namespace: str
) -> None:
    with planes.dynamic_client(control_plane.kubeconfig) as api:
        # Held back by a finalizer, the namespace stays for a moment.
        metadata: dict[str, Any] = {"name": "held", "namespace": namespace}
        held = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": metadata,
        }
        metadata["finalizers"] = ["test.carthub.io/hold"]
        planes.apply(api, held)
        api.resources.get(api_version="v1", kind="Namespace").delete(name=namespace)

        with pytest.raises(errors.NamespaceTerminating):
            cluster.create(_service(namespace))

        metadata["finalizers"] = []
        planes.apply(api, held)


def test_a_kind_is_known_or_not(cluster: KubernetesCluster) -> None:
    assert cluster.serves(kinds.DEPLOYMENT)
    assert not cluster.serves(kinds.Kind("Thing", "example.com", "v1", "things"))


def test_nobody_listening_is_an_api_server_that_is_away(
    control_plane: ControlPlane, connect: Connect, calls: Calls, tmp_path: pathlib.Path
) -> None:
    config = control_plane.kubeconfig.read_text()
    elsewhere = tmp_path / "kubeconfig"
    elsewhere.write_text(config.replace(str(control_plane.port), str(free_port("127.0.0.1"))))

    with pytest.raises(errors.ClusterUnavailable):
        connect(elsewhere).get(SERVICE, "default", "one")

    assert calls == [("GET", "Service", 0)]


def test_a_proxy_of_the_environment_is_not_used(
    control_plane: ControlPlane, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)

    assert connect(control_plane.kubeconfig).get(SERVICE, "default", "kubernetes")
    assert os.environ["HTTPS_PROXY"]
