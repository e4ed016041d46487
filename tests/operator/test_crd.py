"""The CRD on a real API server: what it accepts, what it refuses, and with which words."""

import pathlib
import subprocess
from typing import Any

import pytest
import yaml

from carthub_dev.control_plane import ControlPlane
from carthub_dev.toolchain import kubectl
from carthub_operator.api import crd, resource
from tests.support.resources import database, raw_cart_service

ROOT = pathlib.Path(__file__).resolve().parents[2]
CRD_FILE = ROOT / "crds" / "carthub.io_cartservices.yaml"


def _kubectl(plane: ControlPlane, *arguments: str, stdin: str = "") -> tuple[int, str]:
    done = subprocess.run(
        [str(kubectl()), "--kubeconfig", str(plane.kubeconfig), *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def plane(control_plane: ControlPlane) -> ControlPlane:
    code, said = _kubectl(control_plane, "apply", "--server-side", "-f", str(CRD_FILE))
    assert code == 0, said
    name = yaml.safe_load(CRD_FILE.read_text())["metadata"]["name"]
    _kubectl(control_plane, "wait", "--for=condition=Established", f"crd/{name}")
    return control_plane


def _try(plane: ControlPlane, raw: dict[str, Any]) -> tuple[int, str]:
    raw["metadata"]["namespace"] = "default"
    return _kubectl(
        plane,
        *("create", "--dry-run=server", "--validate=strict", "-o", "yaml", "-f", "-"),
        stdin=yaml.safe_dump(raw),
    )


def _sources(**sources: object) -> dict[str, Any]:
    return database(credentials=sources)


def test_the_file_equals_what_the_model_gives() -> None:
    assert yaml.safe_load(CRD_FILE.read_text()) == crd.manifest()


@pytest.mark.parametrize("example", sorted((ROOT / "examples").glob("*.yaml")), ids=str)
def test_the_examples_are_accepted(plane: ControlPlane, example: pathlib.Path) -> None:
    code, said = _try(plane, yaml.safe_load(example.read_text()))

    assert code == 0, said


def test_the_servers_defaults_are_the_models(plane: ControlPlane) -> None:
    raw = raw_cart_service()
    code, said = _try(plane, raw)
    assert code == 0, said
    stored = yaml.safe_load(said)
    raw["metadata"] |= {"uid": "u", "namespace": "default"}

    assert resource.parse(stored).spec == resource.parse(raw).spec
    assert stored["status"] == {"observedGeneration": -1}


EXISTING = {"name": "my-own"}
MANAGER = {"secretId": "a", "region": "eu-west-1"}

BAD: dict[str, tuple[dict[str, Any], str]] = {
    "an image is missing": ({"image": None}, "spec.image"),
    "an empty image": ({"image": ""}, "at least 1 chars"),
    "more fewest than most": (
        {"autoscaling": {"minReplicas": 9, "maxReplicas": 4}},
        "raise maxReplicas or lower minReplicas",
    ),
    "no fewest": ({"autoscaling": {"minReplicas": 0}}, "greater than or equal to 1"),
    "two sources": (
        {"database": _sources(secretsManager=MANAGER, existingSecret=EXISTING)},
        "give exactly one source of credentials: secretsManager or existingSecret",
    ),
    "no source": (
        {"database": _sources()},
        "give exactly one source of credentials: secretsManager or existingSecret",
    ),
    "a hasty refresh": (
        {"database": _sources(secretsManager={**MANAGER, "refreshInterval": "5s"})},
        "refreshInterval must be at least 10s",
    ),
    "no region": (
        {"database": _sources(secretsManager={"secretId": "a"})},
        "spec.database.credentials.secretsManager.region: Required",
    ),
    "a variable of ours": (
        {"env": [{"name": "DATABASE_URL", "value": "x"}]},
        "DATABASE_URL is set by the operator: remove it from env",
    ),
    "a value twice": (
        {"env": [{"name": "A", "value": "x", "valueFrom": {"fieldRef": {"fieldPath": "a"}}}]},
        "give value or valueFrom, not both",
    ),
    "verification without a CA": (
        {"database": database(sslMode="verify-full")},
        "give ca.configMap, or leave sslMode out",
    ),
    "an unknown environment": ({"environment": "staging"}, '"production", "development"'),
    "an unknown log level": ({"logLevel": "verbose"}, '"DEBUG", "INFO", "WARNING", "ERROR"'),
    "a port that is none": ({"database": database(port=70000)}, "less than or equal to 65535"),
    "a quantity that is none": (
        {"resources": {"requests": {"cpu": "much"}}},
        "spec.resources.requests.cpu",
    ),
    "a label of ours": ({"podLabels": {"carthub.io/x": "z"}}, "the operator sets those"),
    "a misspelt field": ({"imag": "x"}, 'unknown field "spec.imag"'),
}


@pytest.mark.parametrize(("spec", "words"), BAD.values(), ids=BAD)
def test_a_bad_spec_is_refused_with_what_to_do(
    plane: ControlPlane, spec: dict[str, Any], words: str
) -> None:
    raw = raw_cart_service(**spec)
    raw["spec"] = {key: value for key, value in raw["spec"].items() if value is not None}

    code, said = _try(plane, raw)

    assert code != 0
    assert words in said


@pytest.mark.parametrize("name", ["9lives", "a" * 41, "with.dot"])
def test_a_name_that_makes_illegal_children_is_refused(plane: ControlPlane, name: str) -> None:
    code, said = _try(plane, raw_cart_service(name=name))

    assert code != 0
    assert "metadata.name must be a DNS-1035 label of at most 40 characters" in said


def test_the_spec_explains_itself(plane: ControlPlane) -> None:
    code, said = _kubectl(plane, "explain", "cartservice.spec.database.credentials")

    assert code == 0
    assert "AWS Secrets Manager; followed when the secret rotates." in said
