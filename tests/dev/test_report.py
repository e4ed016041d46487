import dataclasses
import io

import pytest
from rich.console import Console

from carthub_dev import report
from carthub_dev.demonstration import Shown
from carthub_dev.session import Presented, State

STATE = State(
    instance="local",
    nodes=1,
    seconds=42.0,
    kubeconfig="/run/admin.kubeconfig",
    docs="http://127.0.0.1:8000",
    service="http://10.200.64.7",
    aws="http://10.200.0.1:5000",
    database="postgresql+psycopg2://postgres:hidden@10.200.0.1:5432/carthub",
)
ITEM = {"product_id": "SKU-1", "name": "Teapot", "quantity": 2, "unit_price": "24.90"}
SHOWN = Shown(
    service_address="10.200.64.7",
    resource="NAME      READY\nbackend   True\n",
    cart={"customer_id": "anna", "items": [ITEM], "total": "49.80", "currency": "EUR"},
    order={"order_id": "o-1", "item_count": 2, "total": "49.80", "currency": "EUR"},
)


def _presented(state: State) -> str:
    output = io.StringIO()
    console = Console(file=output, width=100, soft_wrap=True)
    report.present(console, Presented(state, SHOWN))
    return output.getvalue()


@pytest.fixture
def text(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr("shutil.which", lambda _: None)
    return _presented(STATE)


def test_a_person_sees_what_runs_and_where(text: str) -> None:
    for line in (
        "backend   True",
        "Checked out: order o-1, 2 items, 49.80 EUR",
        "http://127.0.0.1:8000/docs",
        "http://127.0.0.1:8000/redoc",
        "  export KUBECONFIG=/run/admin.kubeconfig",
    ):
        assert line in text


def test_there_are_three_things_to_try(text: str) -> None:
    tries = text.partition("Three things to try:\n")[2].splitlines()[:3]
    assert [line.split()[0] for line in tries] == ["scale", "rotate", "break"]
    assert """--patch '{"spec":{"autoscaling":{"minReplicas":3}}}'""" in tries[0]
    assert tries[2].endswith(
        "kubectl delete deployment backend-deployment --namespace shopping-cart"
    )


def test_what_is_to_try_names_another_instance() -> None:
    assert "  make rotate\n" in _presented(STATE)
    other = dataclasses.replace(STATE, instance="second", kubeconfig="/a b/admin.kubeconfig")
    assert "  INSTANCE=second make rotate\n" in _presented(other)
    assert "export KUBECONFIG='/a b/admin.kubeconfig'\n" in _presented(other)


def test_a_machine_without_kubectl_is_told_where_one_is(text: str) -> None:
    assert "  export PATH=" in text


def test_no_password_is_printed(text: str) -> None:
    assert "hidden" not in text
