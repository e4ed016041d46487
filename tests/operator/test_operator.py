"""The whole operator process against a real API server, with its real identity and rights."""

import collections
import json
from collections.abc import Callable

from carthub_dev.operator_process import OperatorProcess
from tests.support.cluster import Cluster
from tests.support.live_cart import CHILDREN, LiveCart
from tests.support.live_operator import (
    OTHER_IMAGE,
    PASSWORD,
    aws_database,
    requests,
    settle,
    writes,
)
from tests.support.resources import IMAGE


def _told(cart: LiveCart) -> list[str]:
    """Return the reasons of its Events, in their order."""
    return [event["reason"] for event in cart.events()]


def test_one_apply_makes_every_child(
    cart: LiveCart,
    secret_id: str,
    operator: OperatorProcess,
    record_property: Callable[[str, object], None],
) -> None:
    start = operator.plane.audit_mark()

    cart.apply(database=aws_database(secret_id, interval="60s"))
    cart.wait_ready()
    # The autoscaler looks for its metrics within 15 s: only then all is told.
    cart.wait_for("AutoscalingReady", "False")
    made = requests(operator.plane, start, cart.namespace)

    uid = cart.resource()["metadata"]["uid"]
    for kind in CHILDREN:
        metadata = cart.child(kind)["metadata"]
        assert metadata["labels"]["carthub.io/owner-uid"] == uid
        assert metadata["ownerReferences"][0]["uid"] == uid
    assert cart.child("Deployment")["spec"]["replicas"] == 2
    assert cart.secret()["DB_PASSWORD"] == PASSWORD
    counted = collections.Counter(
        f"{one.verb} {one.resource}/{one.subresource}".rstrip("/") for one in made
    )
    record_property("requests", dict(counted))
    # A ServiceMonitor is made only where another test has made its kind known.
    assert counted.total() - counted["patch servicemonitors"] <= 14, counted
    # An Event follows the status that it is about.
    cart.eventually(lambda: "Ready" in _told(cart), what="an event")
    assert set(_told(cart)) == {"NoAuthentication", "Ready"}


def test_a_pass_over_an_unchanged_resource_writes_nothing(
    cart: LiveCart, secret_id: str, operator: OperatorProcess
) -> None:
    # Everything that a spec can say, some of it as the API server would write it otherwise.
    peers = [{"namespaceSelector": {"matchLabels": {"team": "web"}}, "podSelector": {}}]
    cart.apply(
        database=aws_database(
            secret_id,
            port=6543,
            name="shop",
            ca={"configMap": {"name": "ca", "key": "ca.pem"}},
            cidrs=["10.20.0.0/16", "10.21.0.0/16"],
        ),
        autoscaling={
            "maxReplicas": 9,
            "behavior": {"scaleDown": {"stabilizationWindowSeconds": 9}},
        },
        network={
            "allowFrom": [*peers, {"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}],
            "metricsFrom": peers,
            "allowTo": [{"ports": [{"port": 443}], "to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}],
        },
        resources={
            "requests": {"cpu": "1000m", "memory": "0.5Gi"},
            "limits": {"cpu": 2, "memory": "1Gi"},
        },
        scheduling={
            "nodeSelector": {"disk": "ssd"},
            "tolerations": [{"key": "cart", "operator": "Exists"}],
        },
        ingress={
            "enabled": True,
            "host": "cart.example.com",
            "annotations": {"example.com/a": ""},
            "tls": {"secretName": "cart-tls"},
            "from": peers,
        },
        auth={"issuer": "https://id.example.com", "audience": "carthub"},
        cart={"ttl": "7d", "currency": "EUR"},
        imagePullSecrets=[{"name": "registry"}],
        podAnnotations={"example.com/a": "", "example.com/emoji": "\U0001f6d2"},
        podLabels={"example.com/b": "c"},
        serviceAccount={"annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/r"}},
        env=[
            {"name": "EMPTY", "value": ""},
            {"name": "LEVEL", "value": "1"},
            {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
        ],
    )
    cart.wait_ready()
    # The autoscaler looks for its metrics for the first time within 15 s.
    cart.wait_for("AutoscalingReady", "False")
    settle(operator)
    start, passes = operator.plane.audit_mark(), operator.passes()

    # A change that is none to the operator, and the refresh of the credentials.
    cart.patch("CartService", "backend", {"metadata": {"annotations": {"touched": "yes"}}})
    cart.eventually(lambda: operator.passes() >= passes + 2, what="two more passes")

    assert not writes(operator.plane, start, cart.namespace)


def test_a_changed_image_bound_and_log_level_reach_the_children(ready: LiveCart) -> None:
    change = {"image": OTHER_IMAGE, "logLevel": "DEBUG", "autoscaling": {"maxReplicas": 7}}

    ready.patch("CartService", "backend", {"spec": change})
    ready.wait_ready()

    container = ready.child("Deployment")["spec"]["template"]["spec"]["containers"][0]
    assert container["image"] == OTHER_IMAGE
    assert {"name": "LOG_LEVEL", "value": "DEBUG"} in container["env"]
    ready.eventually(lambda: _told(ready).count("Migrated") == 1, what="an event")
    assert ready.child("HorizontalPodAutoscaler")["spec"]["maxReplicas"] == 7
    assert ready.resource()["status"]["image"] == OTHER_IMAGE
    ready.eventually(lambda: len(ready.items("Job")) == 1, what="the older Job is gone")


def test_a_field_that_the_spec_drops_goes(ready: LiveCart) -> None:
    scheduling = {"nodeSelector": {"disk": "ssd"}}
    ready.patch("CartService", "backend", {"spec": {"scheduling": scheduling}})

    def selector() -> object:
        return ready.child("Deployment")["spec"]["template"]["spec"].get("nodeSelector")

    ready.eventually(lambda: selector() == {"disk": "ssd"}, what="the node selector is there")

    ready.patch("CartService", "backend", {"spec": {"scheduling": {"nodeSelector": None}}})

    ready.eventually(lambda: selector() is None, what="the node selector is gone")


def test_what_the_spec_switches_off_is_removed(ready: LiveCart) -> None:
    ready.patch("CartService", "backend", {"spec": {"podDisruptionBudget": {"enabled": False}}})

    ready.eventually(
        lambda: ready.get("PodDisruptionBudget", "backend-pdb") is None, what="no budget"
    )
    ready.eventually(lambda: "Removed" in _told(ready), what="an event")


def test_a_suspended_resource_is_left_alone(ready: LiveCart, operator: OperatorProcess) -> None:
    ready.patch("CartService", "backend", {"spec": {"suspend": True}})
    ready.wait_for("Suspended", "True")

    ready.delete("Service", "backend-service")
    ready.patch("CartService", "backend", {"spec": {"image": OTHER_IMAGE}})
    ready.wait_for("Ready", "Unknown", "Suspended")
    settle(operator)
    assert ready.get("Service", "backend-service") is None

    ready.patch("CartService", "backend", {"spec": {"suspend": False}})

    ready.wait_ready()
    assert ready.get("Service", "backend-service")
    ready.eventually(
        lambda: (
            [reason for reason in _told(ready) if reason in {"Suspended", "Resumed"}]
            == ["Suspended", "Resumed"]
        ),
        what="an event for each",
    )


def test_a_description_shows_what_happened(ready: LiveCart, operator: OperatorProcess) -> None:
    described = Cluster(operator.plane.kubeconfig).kubectl(
        "describe", "cartservice", "backend", "-n", ready.namespace
    )

    events = described[described.index("Events:") :]
    assert f"{IMAGE} serves" in events
    assert "carthub-operator" in events


def test_an_unchanged_pass_logs_nothing(ready: LiveCart, operator: OperatorProcess) -> None:
    # The last news: the autoscaler looks for its metrics for the first time within 15 s.
    ready.wait_for("AutoscalingReady", "False")
    settle(operator)
    before, passes = len(operator.log), operator.passes()

    ready.patch("CartService", "backend", {"metadata": {"annotations": {"touched": "yes"}}})
    ready.eventually(lambda: operator.passes() > passes, what="another pass")

    lines = [json.loads(line) for line in operator.log[before:].splitlines()]
    assert not [line for line in lines if line.get("namespace") == ready.namespace]
