"""The chart's values: each does something, is described and checked, and wrong ones are refused."""

import json
from typing import Any

import pytest
import yaml

from carthub_dev import chart
from carthub_dev.helm import CHART, Helm, HelmFailed
from carthub_operator.settings import Settings
from tests.support.charts import merged, of_kind

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
