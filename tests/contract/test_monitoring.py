"""The alerts and the dashboard ask for what operator and service show, and say what to do."""

import json
import pathlib
import re
import subprocess
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry

from app.telemetry import Metrics as ServiceMetrics
from carthub_dev import packages, programs
from carthub_dev.ledger import Ledger
from carthub_operator.api.resource import Key
from carthub_operator.runtime.metrics import Metrics as OperatorMetrics
from tests.support import markdown
from tests.support.debian import ensure_or_skip

_ROOT = pathlib.Path(__file__).resolve().parents[2]
_MONITORING = _ROOT / "deploy" / "monitoring"
_RUNBOOK = _ROOT / "docs" / "runbook"
_CASES = pathlib.Path(__file__).with_name("alerts.yaml")
# A metric's name, and what stands in braces behind it.
_SELECTOR = re.compile(r"\b((?:carthub|http_server|process)_\w+)(?:\{([^}]*)\})?")
_LABEL = re.compile(r"(\w+)\s*[=!]")
# What Prometheus puts on every metric it scrapes from a Service's pods.
_SCRAPED = {"namespace", "service", "pod", "job", "instance"}


def _rules() -> list[dict[str, Any]]:
    rule = yaml.safe_load((_MONITORING / "prometheus-rule.yaml").read_text())
    return [one for group in rule["spec"]["groups"] for one in group["rules"]]


def _queries() -> list[str]:
    dashboard = json.loads((_MONITORING / "dashboard.json").read_text())
    targets = [target for panel in dashboard["panels"] for target in panel.get("targets", ())]
    variables = [one["query"] for one in dashboard["templating"]["list"]]
    return [*(target["expr"] for target in targets), *variables, *(r["expr"] for r in _rules())]


def _shown(registry: CollectorRegistry) -> dict[str, set[str]]:
    """Return the labels of each metric by name."""
    found: dict[str, set[str]] = {}
    for family in registry.collect():
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def _stems(shown: dict[str, set[str]]) -> dict[str, set[str]]:
    """Return the labels of each metric, histograms as one."""
    found: dict[str, set[str]] = {}
    for name, labels in shown.items():
        if not name.endswith("_created"):
            stem = re.sub(r"_(bucket|count|sum)$", "", name)
            found.setdefault(stem, set()).update(labels - {"le"})
    return found


@pytest.fixture(scope="module")
def shown_by_operator() -> dict[str, set[str]]:
    operator = OperatorMetrics()
    operator.observe_queue(length=lambda: 0, oldest=lambda: 0)
    operator.observe_leadership(lambda: True)
    operator.observe_streams(lambda: {"/apis": 0})
    operator.observe_secrets(lambda: {("eu-west-1", "s", ""): 0})
    ready = {"type": "Ready", "status": "True", "reason": "Ready"}
    operator.observe_conditions(lambda: [(Key("shop", "backend"), ready)])
    operator.observe_secret_changes(lambda: [(Key("shop", "backend"), "2026-01-02T03:04:05Z")])
    operator.on_api_call("GET", "Service", 200, 0)
    operator.on_aws_call("DescribeSecret", "", 0)
    operator.pass_seconds.labels("done").observe(0)
    operator.changes.labels("created", "Service").inc()
    operator.missed.labels("Service").inc()
    return _shown(operator.registry)


@pytest.fixture(scope="module")
def shown(shown_by_operator: dict[str, set[str]]) -> dict[str, set[str]]:
    service = ServiceMetrics()
    service.watch_pool(size=lambda: 0, checked_out=lambda: 0, overflow=lambda: 0)
    service.watch_connections(lambda: 0)
    service.observe_request("GET", "/", 200, 0)
    service.refusals.labels("unavailable").inc()
    service.key_fetches.labels("fetched").inc()
    return {**shown_by_operator, **_shown(service.registry)}


def test_every_query_asks_for_metrics_and_labels_that_are_shown(
    shown: dict[str, set[str]],
) -> None:
    asked = {
        (name, label)
        for query in _queries()
        for name, labels in _SELECTOR.findall(query)
        for label in _LABEL.findall(labels) or [""]
    }

    assert len(asked) > 30
    assert {name for name, _ in asked} - shown.keys() == set()
    assert {
        (name, label) for name, label in asked if label and label not in shown[name] | _SCRAPED
    } == set()


def test_every_metric_of_ours_is_on_the_dashboard_or_in_an_alert(
    shown: dict[str, set[str]],
) -> None:
    text = " ".join(_queries())
    ours = {name for name in _stems(shown) if name.startswith("carthub_")}
    assert {name for name in ours if name not in text} == set()


def test_every_metric_of_the_operator_is_documented_with_its_labels(
    shown_by_operator: dict[str, set[str]],
) -> None:
    text = " ".join(row[0] for row in markdown.table("operator.md", "## Health"))
    told = {
        name: set(filter(None, labels.split(",")))
        for name, labels in re.findall(r"`(\w+)(?:\{([\w,]+)\})?`", text)
    }

    assert told == _stems(shown_by_operator)


def test_every_alert_says_what_is_so_and_has_its_page() -> None:
    alerts = {rule["alert"]: rule for rule in _rules()}
    assert {page.stem for page in _RUNBOOK.glob("*.md")} - {"README"} == alerts.keys()
    for name, rule in alerts.items():
        assert rule["labels"]["severity"] in {"warning", "critical"}, name
        assert rule["annotations"].keys() == {"summary", "description", "runbook_url"}, name
        assert rule["annotations"]["runbook_url"] == f"docs/runbook/{name}.md"
        page = (_RUNBOOK / f"{name}.md").read_text()
        for part in ("What it means", "What a customer notices", "How to look", "What to do"):
            assert f"**{part}.**" in page, (name, part)


def test_every_alert_is_tried() -> None:
    tried = {
        case["alertname"]
        for test in yaml.safe_load(_CASES.read_text())["tests"]
        for case in test["alert_rule_test"]
        if case.get("exp_alerts")
    }
    assert tried == {rule["alert"] for rule in _rules()}


@pytest.fixture
def promtool(ledger: Ledger) -> str:
    ensure_or_skip(packages.MONITORING, "to try the alerts", ledger=ledger)
    return str(programs.program("promtool"))


@pytest.mark.timeout(600)
def test_prometheus_fires_every_alert_when_it_should_and_only_then(
    promtool: str, tmp_path: pathlib.Path
) -> None:
    rule = yaml.safe_load((_MONITORING / "prometheus-rule.yaml").read_text())
    (tmp_path / "carthub.rules.yaml").write_text(yaml.safe_dump(rule["spec"]))
    (tmp_path / "alerts.yaml").write_text(_CASES.read_text())
    for command in (["check", "rules", "carthub.rules.yaml"], ["test", "rules", "alerts.yaml"]):
        done = subprocess.run(
            [promtool, *command], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
