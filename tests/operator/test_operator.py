"""The whole operator process against a real API server, with its real identity and rights."""

import collections
import json
import time
from collections.abc import Callable, Iterator

import pytest

from carthub_dev.audit import Event
from carthub_dev.aws import REGION, AwsServer
from carthub_dev.control_plane import ControlPlane
from carthub_dev.ledger import Ledger
from tests.support import operator_process
from tests.support.cluster import Cluster
from tests.support.live_cart import CHILDREN, LiveCart, live_cart
from tests.support.operator_process import OperatorProcess, running_operator
from tests.support.resources import IMAGE, database

PASSWORD = "canary-P@ss/w:rd%-7719"
# The least that the API admits; passes come at 0.9 to 1.1 of it.
INTERVAL = "10s"
OTHER_IMAGE = "registry.example.com/carthub-service:1.5.0"


@pytest.fixture(scope="module")
def operator(
    control_plane: ControlPlane, aws_server: AwsServer, ledger: Ledger
) -> Iterator[OperatorProcess]:
    kubeconfig = operator_process.install(control_plane)
    with running_operator(control_plane, ledger, kubeconfig=kubeconfig, aws=aws_server) as running:
        yield running


@pytest.fixture
def cart(operator: OperatorProcess) -> Iterator[LiveCart]:
    start = operator.plane.audit_mark()
    with live_cart(operator.plane) as made:
        yield made
        refused = {
            f"{one.verb} {one.resource}"
            for one in _requests(operator.plane, start, made.namespace)
            if one.code == 403
        }
        assert not refused, "the operator lacks rights"


@pytest.fixture
def secret_id(cart: LiveCart, aws_server: AwsServer) -> str:
    name = f"test/{cart.namespace}"
    aws_server.put_secret(name, {"username": "carthub_blue", "password": PASSWORD})
    return name


def _database(secret_id: str, **changed: object) -> dict[str, object]:
    source = {"secretId": secret_id, "region": REGION, "refreshInterval": INTERVAL}
    return database(credentials={"secretsManager": source}, **changed)


@pytest.fixture
def ready(cart: LiveCart, secret_id: str, operator: OperatorProcess) -> LiveCart:
    """A CartService that is Ready, and of which nothing moves any more."""
    cart.apply(database=_database(secret_id))
    cart.wait_ready()
    _settle(operator)
    return cart


def _settle(operator: OperatorProcess) -> None:
    """Wait until no pass has been made for a while."""
    before, since = operator.passes(), time.monotonic()
    while time.monotonic() - since < 1.0:
        time.sleep(0.1)
        if (now := operator.passes()) != before:
            before, since = now, time.monotonic()


def _requests(plane: ControlPlane, since: int, namespace: str | None = None) -> list[Event]:
    return [
        event
        for event in plane.audit_events(since)
        if event.user == operator_process.USER and namespace in {None, event.namespace}
    ]


def _writes(plane: ControlPlane, since: int, namespace: str) -> list[Event]:
    return [event for event in _requests(plane, since, namespace) if event.is_write]


def test_one_apply_makes_every_child(
    cart: LiveCart,
    secret_id: str,
    operator: OperatorProcess,
    record_property: Callable[[str, object], None],
) -> None:
    start = operator.plane.audit_mark()

    cart.apply(database=_database(secret_id))
    cart.wait_ready()
    made = _requests(operator.plane, start, cart.namespace)

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
    assert len(made) <= 14, counted
    cart.eventually(lambda: len(cart.events()) == 2, what="two events")
    assert [event["reason"] for event in cart.events()] == ["Created", "Ready"]


def test_a_pass_over_an_unchanged_resource_writes_nothing(
    cart: LiveCart, secret_id: str, operator: OperatorProcess
) -> None:
    # Everything that a spec can say, some of it as the API server would write it otherwise.
    peers = [{"namespaceSelector": {"matchLabels": {"team": "web"}}, "podSelector": {}}]
    cart.apply(
        database=_database(
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
        imagePullSecrets=[{"name": "registry"}],
        podAnnotations={"example.com/a": ""},
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
    _settle(operator)
    start, passes = operator.plane.audit_mark(), operator.passes()

    # A change that is none to the operator, and the refresh of the credentials.
    cart.patch("CartService", "backend", {"metadata": {"annotations": {"touched": "yes"}}})
    cart.eventually(lambda: operator.passes() >= passes + 2, what="two more passes")

    assert not _writes(operator.plane, start, cart.namespace)


def test_a_changed_image_bound_and_log_level_reach_the_children(ready: LiveCart) -> None:
    change = {"image": OTHER_IMAGE, "logLevel": "DEBUG", "autoscaling": {"maxReplicas": 7}}

    ready.patch("CartService", "backend", {"spec": change})
    ready.wait_ready()

    container = ready.child("Deployment")["spec"]["template"]["spec"]["containers"][0]
    assert container["image"] == OTHER_IMAGE
    assert {"name": "LOG_LEVEL", "value": "DEBUG"} in container["env"]
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


def _seconds_until(cart: LiveCart, look: Callable[[], object], *, what: str) -> float:
    started = time.monotonic()
    cart.eventually(look, what=what)
    return round(time.monotonic() - started, 2)


def test_a_deleted_child_comes_back(
    ready: LiveCart, record_property: Callable[[str, object], None]
) -> None:
    for kind, name in CHILDREN.items():
        if kind == "Secret":
            continue
        before = ready.child(kind)["metadata"]["uid"]
        ready.delete(kind, name)

        def is_back(kind: str = kind, name: str = name, before: str = before) -> bool:
            found = ready.get(kind, name)
            return found is not None and found["metadata"]["uid"] != before

        record_property(kind, _seconds_until(ready, is_back, what=f"another {kind}"))

    ready.wait_ready()
    assert "Restored" in [event["reason"] for event in ready.events()]


EDITS: dict[str, tuple[dict[str, object], str]] = {
    "ServiceAccount": ({"automountServiceAccountToken": True}, "automountServiceAccountToken"),
    # Wider than ours: everything that ours says is still in it.
    "NetworkPolicy": ({"spec": {"ingress": [{}]}}, "spec"),
    "Service": ({"spec": {"selector": {"app.kubernetes.io/name": "other"}}}, "spec"),
    "PodDisruptionBudget": ({"spec": {"maxUnavailable": 5}}, "spec"),
    "Deployment": ({"spec": {"progressDeadlineSeconds": 999}}, "spec"),
    "HorizontalPodAutoscaler": ({"spec": {"maxReplicas": 99}}, "spec"),
}


def test_an_edited_child_is_set_back(
    ready: LiveCart, record_property: Callable[[str, object], None]
) -> None:
    for kind, (change, part) in EDITS.items():
        before = ready.child(kind)[part]
        edited = ready.patch(kind, CHILDREN[kind], change)
        assert edited[part] != before

        def is_set_back(kind: str = kind, part: str = part, before: object = before) -> bool:
            return bool(ready.child(kind)[part] == before)

        record_property(kind, _seconds_until(ready, is_set_back, what=f"{kind} as before"))


def test_an_edited_secret_is_set_back_at_the_refresh(ready: LiveCart) -> None:
    ready.patch("Secret", "backend-db", {"data": {"DB_PASSWORD": "bm9uZQ=="}})

    ready.eventually(lambda: ready.secret()["DB_PASSWORD"] == PASSWORD, what="the good password")


def test_a_child_that_lost_a_mark_of_ours_gets_it_back(ready: LiveCart) -> None:
    before = ready.child("Service")["metadata"]

    ready.patch("Service", "backend-service", {"metadata": {"labels": None}})
    ready.eventually(
        lambda: ready.child("Service")["metadata"].get("labels") == before["labels"],
        what="the labels again",
    )
    ready.patch("Service", "backend-service", {"metadata": {"ownerReferences": None}})
    ready.eventually(
        lambda: (
            ready.child("Service")["metadata"].get("ownerReferences") == before["ownerReferences"]
        ),
        what="the owner again",
    )

    assert ready.child("Service")["metadata"]["uid"] == before["uid"]


def test_deletion_removes_every_child(ready: LiveCart) -> None:
    ready.delete("CartService", "backend")

    def left() -> list[str]:
        found = [kind for kind, name in CHILDREN.items() if ready.get(kind, name)]
        return found + [one["metadata"]["name"] for one in ready.items("Job")]

    # The garbage collector looks for new kinds, and so for owners of ours, every 30 s.
    deadline = time.monotonic() + 75
    while left():
        assert time.monotonic() < deadline, left()
        time.sleep(0.1)


def test_a_missing_secret_is_told_and_mended_by_itself(
    cart: LiveCart, aws_server: AwsServer
) -> None:
    secret_id = f"test/{cart.namespace}"
    cart.apply(database=_database(secret_id))
    told = cart.wait_for("SecretSynced", "False", "SecretNotFound")
    assert "create it" in told["message"]
    assert cart.condition("Stalled")["status"] == "True"
    assert cart.get("Deployment", "backend-deployment") is None
    cart.eventually(
        lambda: [
            one
            for one in cart.events()
            if one["reason"] == "SecretNotFound" and one["type"] == "Warning"
        ],
        what="a warning",
    )

    aws_server.put_secret(secret_id, {"username": "carthub_blue", "password": PASSWORD})

    cart.wait_ready()
    warnings = [one for one in cart.events() if one["type"] == "Warning"]
    assert [one["reason"] for one in warnings] == ["SecretNotFound"]


def test_a_secret_outside_the_allow_list_is_refused(cart: LiveCart, aws_server: AwsServer) -> None:
    other = f"other/{cart.namespace}"
    aws_server.put_secret(other, {"username": "carthub_blue", "password": PASSWORD})

    cart.apply(database=_database(other))

    told = cart.wait_for("SecretSynced", "False", "SecretNotAllowed")
    assert "CARTHUB_SECRET_ALLOW_LIST" in told["message"]
    assert cart.get("Secret", "backend-db") is None


def test_a_malformed_secret_never_replaces_a_good_one(
    ready: LiveCart, secret_id: str, aws_server: AwsServer
) -> None:
    for number, (value, word) in enumerate(
        [("no json " + PASSWORD, "JSON"), (json.dumps({"username": "u"}), "'password'")]
    ):
        aws_server.rotate(secret_id, value)
        ready.patch(
            "CartService",
            "backend",
            {"metadata": {"annotations": {"carthub.io/sync": str(number)}}},
        )

        def is_told(word: str = word) -> bool:
            return word in ready.condition("SecretSynced").get("message", "")

        ready.eventually(is_told, what=f"{word} in the message")
        told = ready.condition("SecretSynced")
        assert (told["status"], told["reason"]) == ("False", "SecretMalformed")
        assert PASSWORD not in told["message"]
    assert ready.secret()["DB_PASSWORD"] == PASSWORD
    assert ready.condition("DeploymentAvailable")["status"] == "True"


def test_a_rotation_reaches_secret_and_pods(
    ready: LiveCart, secret_id: str, aws_server: AwsServer
) -> None:
    version = aws_server.rotate(secret_id, {"username": "carthub_green", "password": "another"})
    ready.patch("CartService", "backend", {"metadata": {"annotations": {"carthub.io/sync": "1"}}})

    def rolled() -> bool:
        template = ready.child("Deployment")["spec"]["template"]["metadata"]
        return bool(template["annotations"]["carthub.io/secret-version"] == version)

    ready.eventually(rolled, what="the pods are rolled", timeout_seconds=8)
    ready.wait_ready()
    assert ready.secret()["DB_PASSWORD"] == "another"
    assert ready.secret()["DB_USERNAME"] == "carthub_green"
    ready.eventually(
        lambda: ready.resource()["status"]["database"]["secretVersionId"] == version,
        what="the version is told",
    )
    ready.eventually(
        lambda: [one["reason"] for one in ready.events()].count("SecretUpdated") == 1,
        what="one event",
    )


def test_a_new_version_with_the_same_value_rolls_nothing(
    ready: LiveCart, secret_id: str, aws_server: AwsServer, operator: OperatorProcess
) -> None:
    before = ready.child("Deployment")["metadata"]["generation"]
    calls = operator.metric("carthub_aws_request_seconds_count", operation="GetSecretValue")

    aws_server.rotate(secret_id, {"username": "carthub_blue", "password": PASSWORD})
    ready.eventually(
        lambda: (
            operator.metric("carthub_aws_request_seconds_count", operation="GetSecretValue") > calls
        ),
        what="the value has been fetched again",
    )
    _settle(operator)

    assert ready.child("Deployment")["metadata"]["generation"] == before


def test_an_existing_secret_is_copied_and_followed(cart: LiveCart) -> None:
    source = {"name": "my-own", "refreshInterval": INTERVAL}
    cart.apply(database=database(credentials={"existingSecret": source}))
    cart.wait_for("SecretSynced", "False", "SecretNotFound")

    cart.create(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "my-own"},
            "stringData": {"username": "one", "password": PASSWORD},
        }
    )
    cart.wait_ready()
    assert cart.secret()["DB_USERNAME"] == "one"

    cart.patch("Secret", "my-own", {"stringData": {"username": "two"}})

    cart.eventually(lambda: cart.secret()["DB_USERNAME"] == "two", what="the new user")


def test_a_foreign_object_is_told_and_never_touched(cart: LiveCart, secret_id: str) -> None:
    foreign = cart.create(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "backend-service"},
            "spec": {"ports": [{"port": 99}], "selector": {"app": "theirs"}},
        }
    )

    cart.apply(database=_database(secret_id))

    told = cart.wait_for("Stalled", "True", "NameConflict")
    assert "Service backend-service" in told["message"]
    assert cart.get("Service", "backend-service") == foreign
    assert cart.get("Deployment", "backend-deployment") is None

    cart.delete("Service", "backend-service")

    cart.wait_ready()


def test_a_failed_migration_leaves_the_old_version_serving(ready: LiveCart) -> None:
    ready.migration_fails = "relation carts is in use"

    ready.patch("CartService", "backend", {"spec": {"image": OTHER_IMAGE}})
    told = ready.wait_for("MigrationSucceeded", "False", "MigrationFailed")

    assert "relation carts is in use" in told["message"]
    pod = ready.child("Deployment")["spec"]["template"]["spec"]
    assert pod["containers"][0]["image"] == IMAGE
    assert ready.condition("DeploymentAvailable")["status"] == "True"
    assert ready.condition("Stalled")["status"] == "True"

    ready.migration_fails = None
    failed = next(
        job
        for job in ready.items("Job")
        if any(c["type"] == "Failed" for c in job["status"]["conditions"])
    )
    ready.delete("Job", failed["metadata"]["name"])

    ready.wait_ready()
    pod = ready.child("Deployment")["spec"]["template"]["spec"]
    assert pod["containers"][0]["image"] == OTHER_IMAGE


def test_the_autoscaler_is_not_fought(ready: LiveCart, operator: OperatorProcess) -> None:
    start = operator.plane.audit_mark()

    ready.patch("Deployment", "backend-deployment", {"spec": {"replicas": 6}}, subresource="/scale")
    ready.eventually(
        lambda: ready.resource()["status"]["readyReplicas"] == 6, what="six ready pods"
    )
    _settle(operator)

    assert ready.child("Deployment")["spec"]["replicas"] == 6
    assert {one.resource for one in _writes(operator.plane, start, ready.namespace)} <= {
        "cartservices"
    }
    assert ready.condition("Ready")["status"] == "True"


def test_what_the_spec_switches_off_is_removed(ready: LiveCart) -> None:
    ready.patch("CartService", "backend", {"spec": {"podDisruptionBudget": {"enabled": False}}})

    ready.eventually(
        lambda: ready.get("PodDisruptionBudget", "backend-pdb") is None, what="no budget"
    )
    ready.eventually(
        lambda: "Removed" in [event["reason"] for event in ready.events()], what="an event"
    )


def test_without_autoscaling_the_spec_decides_the_replicas(ready: LiveCart) -> None:
    ready.patch(
        "CartService", "backend", {"spec": {"autoscaling": {"enabled": False}, "replicas": 3}}
    )

    def replicas() -> object:
        return ready.child("Deployment")["spec"]["replicas"]

    ready.eventually(lambda: replicas() == 3, what="three replicas")
    ready.eventually(
        lambda: ready.get("HorizontalPodAutoscaler", "backend-hpa") is None, what="no autoscaler"
    )
    ready.patch("Deployment", "backend-deployment", {"spec": {"replicas": 1}}, subresource="/scale")
    ready.eventually(lambda: replicas() == 3, what="three replicas again")

    # On again: no jump.
    ready.patch("CartService", "backend", {"spec": {"autoscaling": {"enabled": True}}})
    ready.eventually(
        lambda: ready.get("HorizontalPodAutoscaler", "backend-hpa"), what="the autoscaler again"
    )
    assert replicas() == 3


def test_a_suspended_resource_is_left_alone(ready: LiveCart, operator: OperatorProcess) -> None:
    ready.patch("CartService", "backend", {"spec": {"suspend": True}})
    ready.wait_for("Suspended", "True")

    ready.delete("Service", "backend-service")
    ready.patch("CartService", "backend", {"spec": {"image": OTHER_IMAGE}})
    ready.wait_for("Ready", "Unknown", "Suspended")
    _settle(operator)
    assert ready.get("Service", "backend-service") is None

    ready.patch("CartService", "backend", {"spec": {"suspend": False}})

    ready.wait_ready()
    assert ready.get("Service", "backend-service")


def test_the_password_is_nowhere_but_in_the_secret(
    ready: LiveCart, operator: OperatorProcess
) -> None:
    kinds = ["CartService", "Deployment", "Job", "Pod", "Event", "Service", "NetworkPolicy"]
    everything = json.dumps([ready.items(kind) for kind in kinds]) + operator.log

    for form in (PASSWORD, PASSWORD.replace("%", "%25"), "canary-P%40ss", "canary-P"):
        assert form not in everything


def test_a_description_shows_what_happened(ready: LiveCart, operator: OperatorProcess) -> None:
    described = Cluster(operator.plane.kubeconfig).kubectl(
        "describe", "cartservice", "backend", "-n", ready.namespace
    )

    events = described[described.index("Events:") :]
    assert "Created" in events
    assert "backend-deployment created" in events
    assert f"{IMAGE} serves" in events
    assert "carthub-operator" in events


def test_an_unchanged_pass_logs_nothing(ready: LiveCart, operator: OperatorProcess) -> None:
    before, passes = len(operator.log), operator.passes()

    ready.patch("CartService", "backend", {"metadata": {"annotations": {"touched": "yes"}}})
    ready.eventually(lambda: operator.passes() > passes, what="another pass")

    lines = [json.loads(line) for line in operator.log[before:].splitlines()]
    assert not [line for line in lines if line.get("namespace") == ready.namespace]
