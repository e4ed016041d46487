"""The node tier itself: pods, logs, exec, metrics, names, addresses and mounted Secrets."""

import json
import re
import urllib.request
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.cluster import Cluster, eventually

if TYPE_CHECKING:
    from carthub_dev.platform import Platform

NAMESPACE = "platform"
# In the service's image, so that nothing else needs to be built.
_SERVE = (
    "import http.server, os, pathlib; os.chdir('/tmp'); "
    "pathlib.Path('index.html').write_text(os.environ['NODE']); print('serving', flush=True); "
    "http.server.ThreadingHTTPServer(('', 8080), http.server.SimpleHTTPRequestHandler)"
    ".serve_forever()"
)
_FETCH = "import sys, urllib.request as r; print(r.urlopen(sys.argv[1], timeout=5).read().decode())"


def _web(image: str) -> dict[str, Any]:
    labels = {"app": "web"}
    container = {
        "name": "web",
        "image": image,
        "command": ["python", "-c", _SERVE],
        "env": [{"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}],
        "readinessProbe": {"httpGet": {"port": 8080}, "periodSeconds": 1},
        "volumeMounts": [{"name": "secret", "mountPath": "/secret"}],
    }
    spread = {
        "maxSkew": 1,
        "topologyKey": "topology.kubernetes.io/zone",
        "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": labels},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": NAMESPACE},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "containers": [container],
                    "topologySpreadConstraints": [spread],
                    "terminationGracePeriodSeconds": 0,
                    "volumes": [{"name": "secret", "secret": {"secretName": "word"}}],
                },
            },
        },
    }


def _named(kind: str, name: str, **rest: object) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": NAMESPACE},
        **rest,
    }


@pytest.fixture(scope="module")
def web(nodes: Cluster, service_image: str) -> Iterator[list[str]]:
    """Two pods on two nodes behind a Service; their names."""
    nodes.apply(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
        _named("Secret", "word", stringData={"word": "first"}),
        _named("Service", "web", spec={"selector": {"app": "web"}, "ports": [{"port": 8080}]}),
        _web(service_image),
    )
    nodes.kubectl("rollout", "status", "deployment/web", "-n", NAMESPACE, "--timeout=110s")
    names = [pod["metadata"]["name"] for pod in nodes.items("pods", NAMESPACE)]
    for pod in names:
        # Each node hears of a Service and its pods by itself, a little later.
        eventually(lambda: _reaches_both(nodes, pod), what=f"the way from {pod} to both pods")  # noqa: B023 - used in this round only
    yield names
    nodes.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


def _inside(nodes: Cluster, pod: str, *argv: str) -> str:
    return nodes.kubectl("exec", "-n", NAMESPACE, pod, "--", *argv).strip()


def _reaches_both(nodes: Cluster, pod: str) -> bool:
    fetch = ("python", "-c", _FETCH, f"http://web.{NAMESPACE}.svc:8080/")
    calls = [nodes.run("exec", "-n", NAMESPACE, pod, "--", *fetch) for _ in range(4)]
    return {done.stdout.strip() for done in calls} == {"node-1", "node-2"}


def _answering(nodes: Cluster, pod: str, url: str, *, calls: int) -> set[str]:
    return {_inside(nodes, pod, "python", "-c", _FETCH, url) for _ in range(calls)}


def test_all_nodes_are_ready_in_zones_of_their_own(nodes: Cluster, platform: "Platform") -> None:
    found = json.loads(nodes.kubectl("get", "nodes", "-o", "json"))["items"]
    ready = {
        node["metadata"]["name"]
        for node in found
        for told in node["status"]["conditions"]
        if (told["type"], told["status"]) == ("Ready", "True")
    }
    zones = {node["metadata"]["labels"]["topology.kubernetes.io/zone"] for node in found}

    assert ready == {node.name for node in platform.cluster.nodes}
    assert len(zones) == len(found) == 2


def test_pods_run_on_both_nodes_from_a_loaded_image(nodes: Cluster, web: list[str]) -> None:
    pods = nodes.items("pods", NAMESPACE)
    assert {pod["metadata"]["name"] for pod in pods} == set(web)
    assert {pod["spec"]["nodeName"] for pod in pods} == {"node-1", "node-2"}


def test_logs_and_exec_reach_the_pods(nodes: Cluster, web: list[str]) -> None:
    for pod in web:
        assert "serving" in nodes.kubectl("logs", "-n", NAMESPACE, pod)
        assert _inside(nodes, pod, "python", "-c", "print(6 * 7)") == "42"


def test_pods_reach_each_other_by_address_and_by_name(nodes: Cluster, web: list[str]) -> None:
    addresses = {
        pod["status"]["podIP"]: pod["spec"]["nodeName"] for pod in nodes.items("pods", NAMESPACE)
    }
    for pod in web:
        for address, node in addresses.items():
            assert _answering(nodes, pod, f"http://{address}:8080/", calls=1) == {node}
    # By name and ClusterIP: both ends answer in time, from either node.
    answered = {
        node
        for pod in web
        for node in _answering(nodes, pod, f"http://web.{NAMESPACE}.svc:8080/", calls=6)
    }
    assert answered == {"node-1", "node-2"}


@pytest.mark.usefixtures("web")
def test_this_machine_reaches_a_service(nodes: Cluster) -> None:
    service = nodes.get("service", "web", NAMESPACE) or {}
    address = service["spec"]["clusterIP"]
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    answered = set()

    def have_both_answered() -> bool:
        with opener.open(f"http://{address}:8080/", timeout=5) as answer:
            answered.add(answer.read().decode())
        return answered == {"node-1", "node-2"}

    # Which one answers is by chance.
    eventually(have_both_answered, what="answers of both pods", every_seconds=0)


def test_pods_reach_the_database_by_its_name(
    nodes: Cluster, web: list[str], platform: "Platform"
) -> None:
    facts = platform.database_facts
    look_up = f"import socket; print(socket.gethostbyname({facts.host!r}))"
    assert _inside(nodes, web[0], "python", "-c", look_up) == facts.address
    connect = f"import socket; socket.create_connection(({facts.host!r}, {facts.port}), 5)"
    _inside(nodes, web[0], "python", "-c", connect)


def test_names_outside_the_cluster_do_not_exist(nodes: Cluster, web: list[str]) -> None:
    done = nodes.run(
        *("exec", "-n", NAMESPACE, web[0], "--", "python", "-c"),
        "import socket; socket.gethostbyname('example.com')",
    )
    assert "Name or service not known" in done.stderr


def test_a_changed_secret_reaches_running_pods(nodes: Cluster, web: list[str]) -> None:
    def mounted() -> set[str]:
        return {_inside(nodes, pod, "cat", "/secret/word") for pod in web}

    assert mounted() == {"first"}
    nodes.apply(_named("Secret", "word", stringData={"word": "second"}))
    eventually(lambda: mounted() == {"second"}, what="the new Secret in both pods")


@pytest.mark.usefixtures("web")
def test_top_measures_nodes_and_pods(nodes: Cluster) -> None:
    def measured() -> bool:
        tops = [nodes.run("top", "nodes"), nodes.run("top", "pods", "-n", NAMESPACE)]
        return all(
            len(re.findall(r"\s\d+m\s", done.stdout)) == 2 and done.returncode == 0 for done in tops
        )

    eventually(measured, what="kubectl top of two nodes and two pods")
