"""The ten commonest failures of docs/troubleshooting.md: one command finds the cause."""

import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg2
import pytest

from app.db import failures
from carthub_dev import operator_process
from carthub_dev.aws import REGION, AwsServer
from carthub_dev.control_plane import ControlPlane
from carthub_dev.ledger import Ledger
from carthub_dev.operator_process import OperatorProcess, running_operator
from tests.support import live_cart, markdown
from tests.support.command_line import Answer, carthub
from tests.support.live_cart import LiveCart, Object
from tests.support.resources import database

DOCS = Path(__file__).parents[3] / "docs" / "troubleshooting.md"
# What libpq says -> what the service makes of it.
_NOT_REACHED = {
    'connection to server at "10.20.0.9", port 5432 failed: timeout expired': "no answer in time",
    'connection to server at "10.20.0.9", port 5432 failed: Connection refused\n'
    "\tIs the server running on that host and accepting TCP/IP connections?": "connection refused",
    'could not translate host name "db.example.com" to address: Name or service not known': (
        "host unknown"
    ),
    'connection to server at "db.example.com" (10.20.0.9), port 5432 failed:'
    " SSL error: certificate verify failed": "certificate not trusted",
    'connection to server at "10.20.0.9", port 5432 failed:'
    ' FATAL:  database "carts" does not exist': "database missing",
    'connection to server at "10.20.0.9", port 5432 failed:'
    ' FATAL:  password authentication failed for user "carts"': "login refused",
    'connection to server at "10.20.0.9", port 5432 failed:'
    " FATAL:  sorry, too many clients already": "too many connections",
    'connection to server at "10.20.0.9", port 5432 failed:'
    " FATAL:  the database system is starting up": "starting or stopping",
    'connection to server at "10.20.0.9", port 5432 failed:'
    " session is read-only": "only read-only servers",
}


class Scene:
    """A CartService, its secret, and the operator behind it."""

    def __init__(self, cart: LiveCart, aws: AwsServer, operator: OperatorProcess) -> None:
        self.cart, self.aws, self.operator = cart, aws, operator
        self.secret_id = f"test/{cart.namespace}"

    def apply(self, secret_id: str = "", fields: dict[str, str] | None = None) -> None:
        given = {"username": "carthub_blue", "password": "canary-7719"}
        if not secret_id:
            self.aws.put_secret(self.secret_id, given if fields is None else fields)
        source = {"secretId": secret_id or self.secret_id, "region": REGION}
        self.cart.apply(database=database(credentials={"secretsManager": source}))

    def status(self) -> Answer:
        kubeconfig = str(self.operator.plane.kubeconfig)
        return carthub("status", "backend", "-n", self.cart.namespace, "--kubeconfig", kubeconfig)


@pytest.fixture(scope="module")
def operator(
    control_plane: ControlPlane, aws_server: AwsServer, ledger: Ledger
) -> Iterator[OperatorProcess]:
    kubeconfig = operator_process.install(control_plane)
    with running_operator(control_plane, ledger, kubeconfig=kubeconfig, aws=aws_server) as running:
        yield running


@pytest.fixture
def scene(operator: OperatorProcess, aws_server: AwsServer) -> Iterator[Scene]:
    with live_cart.live_cart(operator.plane) as made:
        yield Scene(made, aws_server, operator)
        # Not before the test is over, whatever it did to the operator.
        operator.process.signal(signal.SIGCONT)


def _secret_missing(scene: Scene) -> None:
    scene.apply("test/not-there")


def _secret_not_allowed(scene: Scene) -> None:
    scene.apply("prod/carthub")


def _secret_lacks_a_key(scene: Scene) -> None:
    scene.apply(fields={"username": "carthub_blue"})


def _image_cannot_be_pulled(scene: Scene) -> None:
    scene.cart.pod_status = _waiting("ImagePullBackOff")
    scene.apply()


def _container_ends(scene: Scene) -> None:
    scene.cart.pod_status = _waiting("CrashLoopBackOff", exit_code=1)
    scene.apply()


def _migrations_fail(scene: Scene) -> None:
    scene.cart.migration_fails = _last_words(next(iter(_NOT_REACHED)))
    scene.apply()


def _no_room(scene: Scene) -> None:
    scene.cart.pod_status = _unschedulable
    scene.apply()


def _name_taken(scene: Scene) -> None:
    metadata = {"name": "backend-db"}
    scene.cart.create({"apiVersion": "v1", "kind": "Secret", "metadata": metadata})
    scene.apply()


def _operator_silent(scene: Scene) -> None:
    scene.operator.process.signal(signal.SIGSTOP)
    scene.apply()


def _no_metrics(scene: Scene) -> None:
    scene.apply()


FAILURES: tuple[Callable[[Scene], None], ...] = (
    _secret_missing,
    _secret_not_allowed,
    _secret_lacks_a_key,
    _image_cannot_be_pulled,
    _container_ends,
    _migrations_fail,
    _no_room,
    _name_taken,
    _operator_silent,
    _no_metrics,
)


def _documented() -> dict[int, str]:
    """Return the sentences of the table in the docs, by number."""
    rows = re.findall(r"^\| (\d+) \|[^|]*\| `([^|]*)` \|$", DOCS.read_text(), re.MULTILINE)
    return {int(number): sentence for number, sentence in rows}


def test_every_failure_of_the_docs_is_made_to_happen() -> None:
    assert sorted(_documented()) == list(range(1, len(FAILURES) + 1))


@pytest.mark.parametrize("number", range(1, len(FAILURES) + 1))
def test_status_names_the_cause_and_what_to_do(number: int, scene: Scene) -> None:
    sentence = _documented()[number]

    FAILURES[number - 1](scene)
    found = scene.cart.eventually(
        lambda: answer if sentence in _told((answer := scene.status()).out)[0] else None,
        what=f"status prints {sentence!r}",
        timeout_seconds=60,
    )

    assert _told(found.out)[1], "what to do is told"
    assert "canary" not in found.out


def test_the_words_for_a_database_that_is_not_reached_are_the_services() -> None:
    rows = markdown.table("troubleshooting.md", "### When the database is not reached")

    assert [words.strip("`") for words, _ in rows] == list(_NOT_REACHED.values())
    for said, words in _NOT_REACHED.items():
        assert _last_words(said) == f"PostgreSQL does not answer: {words}"


def _last_words(said: str) -> str:
    """Return what a migration leaves behind when libpq says this."""
    return str(failures.translated(psycopg2.OperationalError(said)))


def _told(printed: str) -> tuple[str, str]:
    """Return what is wrong and what to do, as printed."""
    wrong = re.findall(r"^What is wrong  (.*)$", printed, re.MULTILINE)
    to_do = re.findall(r"^What to do     (.*)$", printed, re.MULTILINE)
    return "\n".join(wrong), "\n".join(to_do)


def _waiting(reason: str, *, exit_code: int | None = None) -> Callable[[Object], Object]:
    def status(pod: Object) -> Object:
        containers = live_cart.container_statuses(
            pod, {"waiting": {"reason": reason}}, is_ready=False
        )
        if exit_code is not None:
            containers[0]["restartCount"] = 3
            containers[0]["lastState"] = {"terminated": {"exitCode": exit_code}}
        return {"phase": "Running", "containerStatuses": containers}

    return status


def _unschedulable(_pod: Object) -> Object:
    condition = {
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": "0/1 nodes are available: 1 Insufficient cpu.",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    return {"phase": "Pending", "conditions": [condition]}
