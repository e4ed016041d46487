"""`carthub wait`, `sync`, `suspend`, `resume` and `validate --server`, on a real API server."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from carthub_dev import operator_process
from carthub_dev.aws import REGION, AwsServer
from carthub_dev.control_plane import ControlPlane
from carthub_dev.ledger import Ledger
from carthub_dev.operator_process import OperatorProcess, running_operator
from carthub_operator.api import names
from carthub_operator.cli.exits import Exit
from tests.support import live_cart
from tests.support.command_line import Answer, carthub, completions
from tests.support.live_cart import LiveCart
from tests.support.onlooker import onlooker
from tests.support.resources import database, raw_cart_service


@pytest.fixture(scope="module")
def operator(
    control_plane: ControlPlane, aws_server: AwsServer, ledger: Ledger
) -> Iterator[OperatorProcess]:
    kubeconfig = operator_process.install(control_plane)
    with running_operator(control_plane, ledger, kubeconfig=kubeconfig, aws=aws_server) as running:
        yield running


class Shell:
    """`carthub` in the namespace of one CartService."""

    def __init__(self, cart: LiveCart, aws: AwsServer, plane: ControlPlane) -> None:
        self.cart, self.aws, self.plane = cart, aws, plane
        self.secret_id = f"test/{cart.namespace}"

    def apply(self, **spec: object) -> None:
        source = {"secretId": self.secret_id, "region": REGION}
        self.cart.apply(database=database(credentials={"secretsManager": source}), **spec)

    def put_secret(self, password: str) -> None:
        self.aws.put_secret(self.secret_id, {"username": "carthub_blue", "password": password})

    def __call__(self, *arguments: str, stdin: str = "", kubeconfig: Path | None = None) -> Answer:
        chosen = kubeconfig or self.plane.kubeconfig
        cluster = ["-n", self.cart.namespace, "--kubeconfig", str(chosen)]
        return carthub(*arguments, *cluster, stdin=stdin)


@pytest.fixture
def shell(operator: OperatorProcess, aws_server: AwsServer) -> Iterator[Shell]:
    with live_cart.live_cart(operator.plane) as made:
        yield Shell(made, aws_server, operator.plane)


@pytest.fixture
def ready(shell: Shell) -> Shell:
    shell.put_secret("canary-1")
    shell.apply()
    shell.cart.wait_ready()
    return shell


def test_wait_ends_when_it_is_ready(shell: Shell) -> None:
    shell.put_secret("canary-1")
    shell.apply()
    answers: list[Answer] = []
    waiting = threading.Thread(target=lambda: answers.append(shell("wait", "backend")))
    waiting.start()

    shell.cart.wait_ready()
    waiting.join(timeout=90)

    assert answers[0].code == 0
    assert answers[0].out == "backend is Ready: registry.example.com/carthub-service:1.4.0 serves\n"


def test_wait_ends_early_with_the_reason(shell: Shell) -> None:
    shell.apply()

    answer = shell("wait", "backend", "-o", "json")

    told = json.loads(answer.out)
    assert (answer.code, told["ready"], told["final"]) == (1, False, True)
    assert told["reason"] == "SecretNotFound"


def test_wait_gives_up_in_time(ready: Shell) -> None:
    # Nothing plays its pods meanwhile.
    ready.cart.patch("CartService", "backend", {"spec": {"image": "registry.example.com/a:2"}})

    answer = ready("wait", "backend", "--timeout", "1s")

    assert answer.code == 3
    assert "backend is not Ready after 1s" in answer.err


def test_a_duration_that_is_none_is_a_wrong_question(shell: Shell) -> None:
    answer = shell("wait", "backend", "--timeout", "soon")

    assert answer.code == 2
    assert "90s, 10m or 1h30m" in answer.err


def test_sync_reads_a_changed_secret_at_once(ready: Shell) -> None:
    before = ready.cart.resource()["status"]["database"]["secretVersionId"]
    ready.aws.rotate(ready.secret_id, {"username": "carthub_blue", "password": "canary-2"})

    assert ready("sync", "backend").code == 0

    asked = ready.cart.resource()["metadata"]["annotations"][names.ANNOTATION_SYNC]

    def changed() -> bool:
        told = ready.cart.resource()["status"]["database"]
        is_new: bool = told["secretVersionId"] != before
        return is_new and told.get("lastHandledSync") == asked

    ready.cart.eventually(changed, what="the new version and the demand are in the status")


def test_a_suspended_child_stays_away_until_resume(ready: Shell) -> None:
    assert ready("suspend", "backend").code == 0
    ready.cart.wait_for("Suspended", "True")
    ready.cart.delete("Service", "backend-service")

    assert ready("resume", "backend").code == 0

    ready.cart.eventually(
        lambda: ready.cart.get("Service", "backend-service"), what="the Service is back"
    )


def test_status_as_json_holds_all_that_is_printed(ready: Shell) -> None:
    answer = ready("status", "backend", "-o", "json")

    told = json.loads(answer.out)
    assert answer.code == 0
    assert told["verdict"]["is_ready"]
    children = {one["kind"]: one["name"] for one in told["children"]}
    assert children | live_cart.CHILDREN == children
    assert "canary" not in answer.out


def test_a_secret_that_may_not_be_read_is_named_as_that(ready: Shell) -> None:
    kubeconfig = onlooker(ready.plane, ready.cart.namespace)

    def asked() -> Answer | None:
        answer = ready("status", "backend", kubeconfig=kubeconfig)
        # Past are the moments until the API server has heard of the rights.
        return None if answer.code == Exit.NOT_ANSWERED else answer

    answer = ready.cart.eventually(asked, what="the onlooker has rights")

    assert (answer.code, answer.err) == (0, "")
    assert "Secret backend-db  may be there: you have no right to read it\n" in answer.out
    assert "✓ Service backend-service  exists" in answer.out


def test_a_secret_of_somebody_else_is_no_child(shell: Shell) -> None:
    metadata = {"name": "backend-db"}
    shell.cart.create({"apiVersion": "v1", "kind": "Secret", "metadata": metadata})
    shell.put_secret("canary-1")
    shell.apply()
    shell.cart.wait_for("Ready", "False", "NameConflict")

    answer = shell("status", "backend")

    assert answer.code == 1
    assert "Service backend-service" in answer.out
    # Two spaces: in the tree. The finding names it too.
    assert "Secret backend-db  " not in answer.out


def test_names_are_completed_to_those_of_the_namespace(shell: Shell) -> None:
    shell.apply()
    cluster = ("-n", shell.cart.namespace, "--kubeconfig", str(shell.plane.kubeconfig))

    # Whoever presses TAB waits for two seconds at most.
    for command, begun in (("status", ""), ("wait", "back")):
        shell.cart.eventually(
            lambda: completions(command, *cluster, begun) == (["backend"], ":4"),  # noqa: B023 - used in this round only
            what=f"the name behind {command}",
        )
    assert completions("sync", *cluster, "front") == ([], ":4")


def test_the_server_is_asked_and_nothing_is_changed(shell: Shell) -> None:
    raw = raw_cart_service(namespace=shell.cart.namespace)
    good = shell("validate", "--server", "-f", "-", stdin=yaml.safe_dump(raw))
    raw["metadata"]["name"] = "Not-A-Label"
    bad = shell("validate", "--server", "-f", "-", stdin=yaml.safe_dump(raw))

    assert (good.code, bad.code) == (0, 1)
    assert "Not-A-Label" in bad.err
    assert not shell.cart.items("CartService")


@pytest.mark.parametrize("command", ["status", "wait", "sync", "suspend", "resume"])
def test_a_resource_that_is_not_there_is_told(command: str, shell: Shell) -> None:
    answer = shell(command, "backnd")

    assert answer.code == 5
    assert f"there is no CartService backnd in namespace {shell.cart.namespace}" in answer.err


def test_a_kubeconfig_that_is_not_there_is_told(tmp_path: Path) -> None:
    answer = carthub("status", "backend", "--kubeconfig", str(tmp_path / "none"))

    assert answer.code == 4
    assert answer.err.startswith("carthub: KUBECONFIG ")
