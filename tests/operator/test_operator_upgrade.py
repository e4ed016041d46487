"""The operator before this one, then this one: no running pod is rolled.

Before this one: the last commit that has another operator than this checkout. What released
versions made is held in tests/compat, without any history.
"""

import subprocess
import sys
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from carthub_dev import operator_process, paths
from carthub_dev.aws import AwsServer
from carthub_dev.control_plane import ControlPlane
from carthub_dev.ledger import Ledger
from carthub_dev.operator_process import OperatorProcess, running_operator
from carthub_operator.api import names
from tests.support import golden
from tests.support.live_cart import LiveCart, live_cart
from tests.support.live_operator import aws_database, settle

_FOLDER = "operator"
_KEYS = {"user": "carthub_blue", "pass": "canary"}


def _git(*arguments: str) -> str:
    """Return what git says, empty where it knows no answer."""
    done = subprocess.run(
        ["git", "-C", str(paths.REPOSITORY), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.stdout.strip() if done.returncode == 0 else ""


@pytest.fixture(scope="module")
def before() -> str:
    """The commit that has the operator before this one."""
    last = _git("log", "-1", "--format=%H", "--", _FOLDER)
    is_committed = not _git("status", "--porcelain", "--", _FOLDER)
    found = _git("rev-parse", "--verify", "--quiet", f"{last}~1" if is_committed else "HEAD")
    if not found:
        pytest.skip("there is no history here: a shallow clone, or none")
    return found


@pytest.fixture
def code_before(before: str, tmp_path: Path) -> Path:
    """The folder with the code of that operator."""
    archive = tmp_path / "before.tar"
    _git("archive", f"--output={archive}", before, _FOLDER)
    with tarfile.open(archive) as packed:
        packed.extractall(tmp_path, filter="data")
    folder = tmp_path / _FOLDER
    found = subprocess.run(
        [sys.executable, "-c", "import carthub_operator; print(carthub_operator.__file__)"],
        env={"PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert Path(found).is_relative_to(folder)
    return folder


@pytest.fixture
def carts(control_plane: ControlPlane, aws_server: AwsServer) -> Iterator[dict[str, LiveCart]]:
    """A namespace for the CartService of each golden file, by the file's name."""
    with ExitStack() as stack:
        made = {file.stem: stack.enter_context(live_cart(control_plane)) for file in golden.CASES}
        for cart in made.values():
            aws_server.put_secret(f"test/{cart.namespace}", {"username": "u", "password": "canary"})
        yield made


def test_this_operator_rolls_no_pod_of_the_one_before(
    carts: dict[str, LiveCart],
    before: str,
    code_before: Path,
    control_plane: ControlPlane,
    ledger: Ledger,
    aws_server: AwsServer,
) -> None:
    # First the definition and the rights, as an upgrade does.
    kubeconfig = operator_process.install(control_plane)
    namespaces = ",".join(cart.namespace for cart in carts.values())

    def running(**settings: str) -> Any:
        return running_operator(
            control_plane,
            ledger,
            kubeconfig=kubeconfig,
            aws=aws_server,
            settings={"CARTHUB_NAMESPACES": namespaces, **settings},
        )

    with running(PYTHONPATH=str(code_before)) as operator:
        for file in golden.CASES:
            _apply(carts[file.stem], golden.read(file)[0]["spec"])
        for cart in carts.values():
            cart.wait_ready()
        settle(operator)
    made = {name: _deployment(cart) for name, cart in carts.items()}

    with running() as operator:
        _have_all_looked_at(carts, operator)

    now = {name: _deployment(cart) for name, cart in carts.items()}
    assert now == made
    print(f"{len(now)} of {len(made)} pod templates unchanged since {before[:7]}")  # noqa: T201 - the figure


def _apply(cart: LiveCart, spec: Mapping[str, Any]) -> None:
    """Apply the spec of a golden file, with credentials that there are."""
    database = {key: one for key, one in spec["database"].items() if key != "credentials"}
    credentials = spec["database"]["credentials"]
    if own := credentials.get("existingSecret"):
        metadata = {"name": own["name"]}
        cart.create(
            {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": _KEYS}
        )
        database["credentials"] = credentials
    else:
        database = aws_database(f"test/{cart.namespace}", **database)
    cart.apply(**{**spec, "database": database})


def _deployment(cart: LiveCart) -> tuple[int, Any]:
    live = cart.child("Deployment")
    return live["metadata"]["generation"], live["spec"]["template"]


def _have_all_looked_at(carts: Mapping[str, LiveCart], operator: OperatorProcess) -> None:
    """Have every CartService gone through as a whole, its credentials read anew."""
    change = {"metadata": {"annotations": {names.ANNOTATION_SYNC: "upgraded"}}}
    for cart in carts.values():
        cart.patch("CartService", "backend", change)
    for cart in carts.values():
        cart.eventually(
            lambda: (
                cart.child("Secret")["metadata"]["annotations"].get(names.ANNOTATION_SYNCED)  # noqa: B023 - used in this round only
                == "upgraded"
            ),
            what="the credentials are read by the new operator",
        )
    settle(operator)
