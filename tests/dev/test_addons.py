from pathlib import Path
from typing import Any

from carthub_dev import addons
from carthub_dev.network import Plan

PLAN = Plan(210)


def _named(kind: str, name: str) -> dict[str, Any]:
    found = [o for o in addons.objects(PLAN, "PEM") if o["kind"] == kind]
    return next(o for o in found if o["metadata"]["name"] == name)


def test_dns_has_the_address_that_kubelets_give_to_pods() -> None:
    assert _named("Service", "kube-dns")["spec"]["clusterIP"] == "10.210.64.10"


def test_services_lead_to_the_fabric() -> None:
    for name in ("kube-dns", "metrics-server"):
        endpoints = _named("EndpointSlice", name)
        assert endpoints["endpoints"] == [
            {"addresses": ["10.210.0.2"], "conditions": {"ready": True}}
        ]
        labels = endpoints["metadata"]["labels"]
        assert labels == {"kubernetes.io/service-name": name}


def test_the_metrics_api_is_trusted_by_certificate() -> None:
    spec = _named("APIService", "v1beta1.metrics.k8s.io")["spec"]
    assert spec["caBundle"] == "UEVN"
    assert "insecureSkipTLSVerify" not in spec


def test_no_addon_may_write() -> None:
    roles = [o for o in addons.objects(PLAN, "PEM") if o["kind"] == "ClusterRole"]
    verbs = {verb for role in roles for rule in role["rules"] for verb in rule["verbs"]}
    assert verbs == {"get", "list", "watch"}


def test_names_of_the_host_are_answered_before_all_others() -> None:
    text = addons.corefile_text(PLAN, Path("/kubeconfig"), host_names=["database.test"])
    blocks = [line for line in text.splitlines() if line.endswith("{") and not line[0].isspace()]

    assert blocks == ["database.test:53 {", "cluster.local:53 in-addr.arpa:53 {", ".:53 {"]
    assert "10.210.0.1 database.test" in text
