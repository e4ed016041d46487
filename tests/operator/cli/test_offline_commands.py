"""`carthub render` and `carthub validate`: without a cluster, as pipelines use them."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.command_line import carthub
from tests.support.corpus.whole import GOOD
from tests.support.resources import raw_cart_service

EXAMPLES = sorted((Path(__file__).parents[3] / "examples").glob("*.yaml"))


def _rendered(raw: dict[str, Any], *options: str) -> dict[str, dict[str, Any]]:
    answer = carthub("render", "-f", "-", *options, stdin=yaml.safe_dump(raw))
    assert answer.code == 0, answer.err
    return {one["kind"]: one for one in yaml.safe_load_all(answer.out)}


def test_render_shows_every_child_but_the_secret_and_the_service_monitor() -> None:
    children = _rendered(raw_cart_service())

    assert set(children) == {
        "Job",
        "ServiceAccount",
        "NetworkPolicy",
        "Service",
        "PodDisruptionBudget",
        "Deployment",
        "HorizontalPodAutoscaler",
    }
    assert children["Deployment"]["spec"]["replicas"] == 2
    assert "ownerReferences" not in children["Deployment"]["metadata"]


def test_render_shows_the_service_monitor_where_it_is_asked_for() -> None:
    without = _rendered(raw_cart_service())

    children = _rendered(raw_cart_service(), "--service-monitors")

    monitor = children.pop("ServiceMonitor")
    assert monitor["metadata"]["name"] == "backend"
    assert "ownerReferences" not in monitor["metadata"]
    # The rest is what it was.
    assert children == without


def test_render_shows_no_service_monitor_that_the_spec_rules_out() -> None:
    raw = raw_cart_service(monitoring={"serviceMonitor": "never"})

    assert "ServiceMonitor" not in _rendered(raw, "--service-monitors")


def test_the_help_of_render_says_what_is_left_out() -> None:
    told = " ".join(carthub("render", "--help").out.split())

    assert "Without --service-monitors the ServiceMonitor is left out" in told


def test_render_as_json_is_a_list_that_kubectl_takes() -> None:
    answer = carthub("render", "-f", "-", "-o", "json", stdin=yaml.safe_dump(raw_cart_service()))

    listed = json.loads(answer.out)
    assert (listed["apiVersion"], listed["kind"]) == ("v1", "List")


def test_render_is_the_same_every_time() -> None:
    assert _rendered(raw_cart_service()) == _rendered(raw_cart_service())


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_the_examples_are_valid(example: Path) -> None:
    assert carthub("validate", "-f", str(example)).code == 0


@pytest.mark.parametrize("case", GOOD)
def test_what_the_api_server_takes_is_valid(case: str) -> None:
    answer = carthub("validate", "-f", "-", stdin=yaml.safe_dump(raw_cart_service(**GOOD[case])))

    assert (answer.code, answer.err) == (0, "")


def test_every_wrong_field_is_named_unknown_ones_too() -> None:
    raw = raw_cart_service(replicas=-1, autoscaling={"minReplica": 3})

    answer = carthub("validate", "-f", "-", "-o", "json", stdin=yaml.safe_dump(raw))

    assert answer.code == 1
    assert json.loads(answer.out) == [
        {
            "name": "backend",
            "valid": False,
            "problems": [
                "spec.autoscaling.minReplica is not a field",
                "spec.replicas: Input should be greater than or equal to 0",
            ],
        }
    ]


def test_a_file_without_a_cart_service_is_a_wrong_question() -> None:
    answer = carthub("validate", "-f", "-", stdin="kind: ConfigMap\n")

    assert (answer.code, answer.err) == (2, "carthub: - has no object of kind CartService\n")


def test_a_file_that_is_not_there_is_named() -> None:
    answer = carthub("render", "-f", "/not/there.yaml")

    assert answer.code == 2
    assert answer.err == "carthub: /not/there.yaml cannot be read: No such file or directory\n"


def test_two_of_one_name_are_judged_each() -> None:
    bad, good = raw_cart_service(image=None), raw_cart_service()
    bad["metadata"] |= {"namespace": "staging"}
    good["metadata"] |= {"namespace": "production"}
    del bad["spec"]["image"]

    answer = carthub("validate", "-f", "-", stdin=yaml.safe_dump_all([bad, good]))

    assert answer.code == 1
    assert "staging/backend: spec.image" in answer.err
    assert "production/backend is valid" in answer.out


def test_a_name_that_is_a_number_is_told() -> None:
    raw = raw_cart_service()
    raw["metadata"]["name"] = 123

    answer = carthub("validate", "-f", "-", stdin=yaml.safe_dump(raw))

    assert answer.code == 1
    assert "metadata.name is 123, must be a string" in answer.err


def test_a_list_of_nothing_has_no_cart_service() -> None:
    answer = carthub("validate", "-f", "-", stdin="{kind: List, items: null}")

    assert answer.code != 0
    assert "has no object of kind CartService" in answer.err
