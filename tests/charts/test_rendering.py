"""What the chart renders, object by object."""

import json
from pathlib import Path

import pytest
import yaml

from carthub_dev import paths
from carthub_dev.helm import CHART, Helm
from carthub_operator.version import __version__
from tests.support import markdown
from tests.support.charts import CASES, of_kind, values


def test_the_versions_are_the_projects() -> None:
    told = yaml.safe_load((CHART / "Chart.yaml").read_text())

    assert (told["version"], told["appVersion"]) == (__version__, __version__)


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.stem)
def test_helm_finds_nothing_to_complain_of(helm: Helm, case: Path) -> None:
    said = helm("lint", "--strict", str(CHART), "--values", str(case))

    # An icon is for a catalogue, and there is none.
    complaints = [line for line in said.splitlines() if line.startswith("[")]
    assert complaints == ["[INFO] Chart.yaml: icon is recommended"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, f"carthub-operator:{__version__}"),
        ({"tag": "dev"}, "carthub-operator:dev"),
        ({"registry": "r.example.com/team"}, f"r.example.com/team/carthub-operator:{__version__}"),
        (
            {"registry": "r.example.com", "tag": "dev", "digest": f"sha256:{64 * 'b'}"},
            f"r.example.com/carthub-operator@sha256:{64 * 'b'}",
        ),
    ],
)
def test_the_image(helm: Helm, given: dict[str, str], expected: str) -> None:
    objects = helm.objects(values={"image": given})

    (deployment,) = of_kind(objects, "Deployment")
    (test,) = of_kind(objects, "Pod")
    assert deployment["spec"]["template"]["spec"]["containers"][0]["image"] == expected
    assert test["spec"]["containers"][0]["image"] == expected


def test_named_namespaces_get_the_same_rights_and_no_other_does(helm: Helm) -> None:
    given = values("namespaced")
    everywhere, named = helm.objects(), helm.objects(values=given)

    (wide,), (narrow,) = of_kind(everywhere, "ClusterRole"), of_kind(named, "ClusterRole")
    assert wide["rules"] == narrow["rules"]
    assert of_kind(named, "ClusterRoleBinding") == []
    bindings = [
        one for one in of_kind(named, "RoleBinding") if one["roleRef"]["kind"] == "ClusterRole"
    ]
    assert [one["metadata"]["namespace"] for one in bindings] == given["watchNamespaces"]
    (account,) = of_kind(named, "ServiceAccount")
    for one in bindings:
        assert one["roleRef"]["name"] == narrow["metadata"]["name"]
        assert [(who["name"], who["namespace"]) for who in one["subjects"]] == [
            (account["metadata"]["name"], "carthub-system")
        ]
    (lease,) = of_kind(named, "Role")
    assert lease["rules"][1]["resourceNames"] == ["carthub-shop"]


def test_monitoring_is_what_deploy_monitoring_has(helm: Helm) -> None:
    objects = helm.objects(values=values("monitoring"))
    (rule,) = of_kind(objects, "PrometheusRule")
    (dashboard,) = of_kind(objects, "ConfigMap")
    told = (paths.REPOSITORY / "deploy" / "monitoring" / "prometheus-rule.yaml").read_text()

    moved = told.replace(
        "runbook_url: docs/runbook/",
        "runbook_url: https://docs.example.com/carthub/docs/runbook/",
    )
    assert rule["spec"] == yaml.safe_load(moved)["spec"]
    home = paths.REPOSITORY / "deploy" / "monitoring" / "dashboard.json"
    assert json.loads(dashboard["data"]["dashboard.json"]) == json.loads(home.read_text())


def test_the_definition_is_the_projects_and_is_kept(helm: Helm) -> None:
    (rendered,) = of_kind(helm.objects(), "CustomResourceDefinition")

    assert rendered["metadata"]["annotations"].pop("helm.sh/resource-policy") == "keep"
    (home,) = (paths.REPOSITORY / "crds").glob("*.yaml")
    assert rendered == yaml.safe_load(home.read_text())
    assert rendered["metadata"]["annotations"] == {"carthub.io/crd-version": __version__}


def test_scrapes_keep_the_namespaces_that_metrics_name(helm: Helm) -> None:
    rendered = helm.objects(values={"monitoring": {"serviceMonitor": {"enabled": True}}})
    (monitor,) = of_kind(rendered, "ServiceMonitor")
    (written,) = [
        one for one in markdown.yaml_blocks("monitoring.md") if one["kind"] == "PodMonitor"
    ]

    # Else the Prometheus operator puts that of the target in its place.
    endpoints = (*monitor["spec"]["endpoints"], *written["spec"]["podMetricsEndpoints"])
    assert [one["honorLabels"] for one in endpoints] == [True, True]
