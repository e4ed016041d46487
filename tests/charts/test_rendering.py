"""What the chart renders, value by value."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from carthub_dev import chart, operator_process, paths
from carthub_dev.helm import CHART, Helm, HelmFailed
from carthub_operator.settings import Settings
from carthub_operator.version import __version__
from tests.support import markdown
from tests.support.charts import CASES, merged, of_kind, values

_DEFAULTS: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text())
_SCHEMA: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text())
# Another value of each; the test below demands that it is complete.
_OTHER: dict[str, Any] = {
    "image.registry": "registry.example.com",
    "image.repository": "other",
    "image.tag": "1.2.3",
    "image.digest": f"sha256:{64 * 'a'}",
    "image.pullPolicy": "Always",
    "image.pullSecrets": [{"name": "registry"}],
    "replicas": 3,
    "watchNamespaces": ["shop"],
    "roleAllowList": {"shop-*": ["arn:aws:iam::123456789012:role/cart-*"]},
    "secretAllowList": {"shop-*": ["prod/*"]},
    "logLevel": "DEBUG",
    "checkLogins": False,
    "workers": 9,
    "resyncSeconds": 77.5,
    "port": 9999,
    "leaseName": "another",
    "extraEnv": [{"name": "AWS_REGION", "value": "eu-west-1"}],
    "serviceAccount.create": False,
    "serviceAccount.name": "another",
    "serviceAccount.annotations": {"eks.amazonaws.com/role-arn": "arn"},
    "rbac.create": False,
    "crds.install": False,
    "protection.enabled": False,
    "networkPolicy.enabled": False,
    "networkPolicy.ingressFrom": [{"podSelector": {}}],
    "networkPolicy.egress": [{"ports": [{"port": 443}]}],
    "podDisruptionBudget.enabled": False,
    "podDisruptionBudget.maxUnavailable": 2,
    "monitoring.serviceMonitor.enabled": True,
    "monitoring.serviceMonitor.labels": {"release": "p"},
    "monitoring.serviceMonitor.interval": "7s",
    "monitoring.prometheusRule.enabled": True,
    "monitoring.prometheusRule.labels": {"release": "p"},
    "monitoring.prometheusRule.runbookUrl": "https://docs.example.com",
    "monitoring.dashboard.enabled": True,
    "monitoring.dashboard.labels": {"found": "here"},
    "resources": {"limits": {"memory": "1Gi"}},
    "podAnnotations": {"a": "b"},
    "podLabels": {"a": "b"},
    "nodeSelector": {"a": "b"},
    "tolerations": [{"operator": "Exists"}],
    "affinity": {"nodeAffinity": {}},
    "topologySpreadConstraints": [
        {"maxSkew": 2, "topologyKey": "rack", "whenUnsatisfiable": "DoNotSchedule"}
    ],
    "priorityClassName": "system-cluster-critical",
    "podSecurityContext": {"runAsUser": 2000},
    "securityContext": {"runAsUser": 2000},
    "nameOverride": "other",
    "fullnameOverride": "other",
}
# Value -> the setting that it is.
_SETTINGS = {
    "watchNamespaces": ("namespaces", ("shop",)),
    "secretAllowList": ("secret_allow_list", {"shop-*": ["prod/*"]}),
    "roleAllowList": ("role_allow_list", {"shop-*": ["arn:aws:iam::123456789012:role/cart-*"]}),
    "leaseName": ("lease_name", "another"),
    "checkLogins": ("check_logins", False),
    "port": ("http_port", 9999),
    "logLevel": ("log_level", "DEBUG"),
    "workers": ("workers", 9),
    "resyncSeconds": ("resync_seconds", 77.5),
}
# Probes and scrapes come from outside the pod; the Lease is always in the operator's namespace.
_NO_VALUE = {"http_host", "lease_namespace"}
# What must be on before the value says anything.
_ON = {
    f"monitoring.{what}": {"monitoring": {what: {"enabled": True}}}
    for what in ("serviceMonitor", "prometheusRule", "dashboard")
}


def _nested(name: str, value: Any) -> dict[str, Any]:
    for key in reversed(name.split(".")):
        value = {key: value}
    nested: dict[str, Any] = value
    return nested


def _environment(helm: Helm, given: dict[str, Any]) -> dict[str, Any]:
    (deployment,) = of_kind(helm.objects(values=given), "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    names = [one["name"] for one in container["env"]]
    assert len(names) == len(set(names))
    return {one["name"]: one.get("value", one.get("valueFrom")) for one in container["env"]}


def test_the_versions_are_the_projects() -> None:
    told = yaml.safe_load((CHART / "Chart.yaml").read_text())

    assert (told["version"], told["appVersion"]) == (__version__, __version__)


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.stem)
def test_helm_finds_nothing_to_complain_of(helm: Helm, case: Path) -> None:
    said = helm("lint", "--strict", str(CHART), "--values", str(case))

    # An icon is for a catalogue, and there is none.
    complaints = [line for line in said.splitlines() if line.startswith("[")]
    assert complaints == ["[INFO] Chart.yaml: icon is recommended"]


# A hundred calls of Helm.
@pytest.mark.timeout(400)
def test_every_value_changes_what_is_rendered(helm: Helm) -> None:
    names = [name for name, _, _ in chart.leaves(_SCHEMA, _DEFAULTS)]
    assert set(names) == _OTHER.keys()
    for name, other in _OTHER.items():
        before = _ON.get(".".join(name.split(".")[:2]), {})
        if name.endswith(".enabled"):
            before = {}

        was = helm.objects(values=before)
        now = helm.objects(values=merged(before, _nested(name, other)))

        assert was != now, f"{name} does nothing"


def test_every_setting_of_the_operator_has_its_value(
    helm: Helm, monkeypatch: pytest.MonkeyPatch
) -> None:
    fields = set(Settings.model_fields)
    assert {setting for setting, _ in _SETTINGS.values()} == fields - _NO_VALUE
    for name, (setting, expected) in _SETTINGS.items():
        environment = _environment(helm, _nested(name, _OTHER[name]))
        with monkeypatch.context() as patch:
            for variable, value in environment.items():
                if isinstance(value, str):
                    patch.setenv(variable, value)
            read = Settings()

        assert getattr(read, setting) == expected, name


def test_as_it_comes_the_settings_are_the_operators_own_defaults(
    helm: Helm, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = _environment(helm, {})
    assert environment.pop("CARTHUB_LEASE_NAMESPACE") == {
        "fieldRef": {"fieldPath": "metadata.namespace"}
    }
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)

    read = Settings()

    assert read.model_dump() == {
        **{name: field.default for name, field in Settings.model_fields.items()},
        "secret_allow_list": {},
    }


def test_every_value_has_its_description_and_every_default_is_one_the_schema_allows() -> None:
    described = [text for _, _, text in chart.leaves(_SCHEMA, _DEFAULTS)]

    assert all(text.endswith(".") for text in described)
    # What the schema knows and the file does not would be found by nobody.
    assert set(_SCHEMA["properties"]) - {"global"} == set(_DEFAULTS)


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


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"replica": 3}, "additional properties 'replica' not allowed"),
        ({"image": {"name": "x"}}, "at '/image': additional properties 'name' not allowed"),
        ({"monitoring": {"dashboard": {"on": True}}}, "at '/monitoring/dashboard'"),
        ({"securityContext": {"runAsUsr": 1}}, "at '/securityContext'"),
        ({"tolerations": [{"effekt": "NoSchedule"}]}, "at '/tolerations/0'"),
        ({"affinity": {"podAffinty": {}}}, "at '/affinity'"),
        ({"logLevel": "LOUD"}, "value must be one of 'DEBUG', 'INFO', 'WARNING', 'ERROR'"),
        ({"replicas": 0}, "at '/replicas': minimum: got 0, want 1"),
        ({"secretAllowList": {"shop": "prod/*"}}, "at '/secretAllowList/shop': got string"),
        ({"watchNamespaces": ["Shop"]}, "at '/watchNamespaces/0'"),
        ({"secretAllowList": None}, "only an operator of named namespaces (watchNamespaces)"),
    ],
    ids=lambda one: one if isinstance(one, str) else None,
)
def test_a_wrong_value_is_refused_with_its_place(
    helm: Helm, given: dict[str, Any], said: str
) -> None:
    with pytest.raises(HelmFailed) as refused:
        helm.objects(values=given)

    assert said in refused.value.said


def _open_objects(schema: dict[str, Any], place: str = "") -> list[str]:
    found = []
    if schema.get("type") == "object" and "properties" in schema:
        if schema.get("additionalProperties") is not False:
            found.append(place)
        for name, inner in schema["properties"].items():
            found += _open_objects(inner, f"{place}/{name}")
    if "items" in schema:
        found += _open_objects(schema["items"], f"{place}/0")
    return found


def test_no_key_that_the_schema_does_not_name_gets_through() -> None:
    assert _open_objects(_SCHEMA) == []


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


def test_copies_are_what_their_homes_are() -> None:
    for file, text in chart.copies().items():
        assert file.read_text() == text, f"{file.name}: make manifests"


def test_the_base_is_what_the_chart_renders(helm: Helm) -> None:
    made = chart.base(helm)

    for file, text in made.items():
        assert file.read_text() == text, f"{file.name}: make manifests"
    there = {file.name for file in chart.BASE.glob("*.yaml")}
    assert there == {file.name for file in made} | {"kustomization.yaml", "namespace.yaml"}


def test_both_ways_to_install_make_the_same_objects(helm: Helm) -> None:
    named = {
        **chart.BASE_VALUES,
        "watchNamespaces": ["shopping-cart"],
    }
    for form, given in {"operator": chart.BASE_VALUES, "namespaced": named}.items():
        applied = {_key(one): one for one in operator_process.manifests(form)}
        rendered = {_key(one): one for one in helm.objects("--no-hooks", values=given)}

        (namespace,) = [key for key in applied if key not in rendered]
        assert namespace[0] == "Namespace"
        assert rendered.keys() < applied.keys()
        for key, one in rendered.items():
            assert _comparable(applied[key]) == _comparable(one), (form, key)


def _key(one: dict[str, Any]) -> tuple[str, str, str]:
    return one["kind"], one["metadata"].get("namespace", ""), one["metadata"]["name"]


def _comparable(one: dict[str, Any]) -> dict[str, Any]:
    """Return an object without the order of its variables."""
    if one["kind"] == "Deployment":
        for container in one["spec"]["template"]["spec"]["containers"]:
            container["env"].sort(key=lambda variable: variable["name"])
    one["metadata"].pop("labels", None)
    return one


def test_the_page_has_the_values_as_they_are() -> None:
    assert chart.PAGE.read_text() == chart.page(), "make manifests"


def test_scrapes_keep_the_namespaces_that_metrics_name(helm: Helm) -> None:
    rendered = helm.objects(values=_ON["monitoring.serviceMonitor"])
    (monitor,) = of_kind(rendered, "ServiceMonitor")
    (written,) = [
        one for one in markdown.yaml_blocks("monitoring.md") if one["kind"] == "PodMonitor"
    ]

    # Else the Prometheus operator puts that of the target in its place.
    endpoints = (*monitor["spec"]["endpoints"], *written["spec"]["podMetricsEndpoints"])
    assert [one["honorLabels"] for one in endpoints] == [True, True]
