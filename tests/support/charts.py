"""The chart as tests see it: files of values, and schemas of everything a cluster knows."""

import copy
import json
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from carthub_dev import toolchain
from carthub_dev.control_plane import ControlPlane
from carthub_dev.kubectl import Kubectl
from tests.support import crd, monitors
from tests.support.control_plane import apply, dynamic_client

VALUES = Path(__file__).resolve().parents[1] / "charts" / "values"
CASES = sorted(VALUES.glob("*.yaml"))
# It answers for what it made itself; a definition's may take a while to be told.
_GROUPS = ("carthub.io/v1", "monitoring.coreos.com/v1")


def values(case: str) -> dict[str, Any]:
    """Return the values of a case."""
    found: dict[str, Any] = yaml.safe_load((VALUES / f"{case}.yaml").read_text())
    return found


def merged(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """Return values laid over each other, as Helm does."""
    result: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.items():
            if isinstance(value, Mapping) and isinstance(result.get(key), dict):
                result[key] = merged(result[key], value)
            else:
                result[key] = copy.deepcopy(value)
    return result


def of_kind(objects: Iterable[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    """Return the objects of a kind."""
    return [one for one in objects if one["kind"] == kind]


def write_schemas(plane: ControlPlane, folder: Path) -> None:
    """Write what the API server says of its kinds, so that a field it does not know is refused."""
    crd.install(plane.kubeconfig)
    with dynamic_client(plane.kubeconfig) as api:
        for definition in (monitors.DEFINITION, monitors.RULES_DEFINITION):
            apply(api, definition)
    kubectl = Kubectl(plane.kubeconfig)
    for group in _GROUPS:
        _wait(kubectl, group)
    index = json.loads(kubectl("get", "--raw", "/openapi/v3"))["paths"]
    for path, where in index.items():
        if path.startswith(("api/", "apis/")) and path.count("/") == path.startswith("apis/") + 1:
            told = json.loads(kubectl("get", "--raw", where["serverRelativeURL"]))
            _write(told["components"]["schemas"], folder)


def _wait(kubectl: Kubectl, group: str) -> None:
    from tests.support.cluster import eventually  # noqa: PLC0415 - one direction at import

    def is_told() -> bool:
        return f"apis/{group}" in json.loads(kubectl("get", "--raw", "/openapi/v3"))["paths"]

    eventually(is_told, what=f"the API server describes {group}")


def _write(schemas: dict[str, Any], folder: Path) -> None:
    strict = {name: _strict(schema) for name, schema in schemas.items()}
    for name, schema in schemas.items():
        for kind in schema.get("x-kubernetes-group-version-kind", ()):
            # As kubeconform takes an apiVersion apart: the core group is called by its version.
            group = kind["group"] or kind["version"]
            file = folder / f"{group}-{kind['version']}-{kind['kind'].lower()}.json"
            document = {"$ref": f"#/components/schemas/{name}"}
            file.write_text(json.dumps({**document, "components": {"schemas": strict}}))


def _strict(schema: Any) -> Any:
    """Return a schema that refuses fields which it does not name."""
    if isinstance(schema, list):
        return [_strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: _strict(value) for key, value in schema.items() if key != "default"}
    if isinstance(schema.get("properties"), dict):
        made["properties"] = {key: _strict(one) for key, one in schema["properties"].items()}
        if "x-kubernetes-preserve-unknown-fields" not in schema:
            made.setdefault("additionalProperties", False)
    return made


def conform(text: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Return the finished kubeconform, whatever it says of the manifests."""
    kubeconform = toolchain.tool_set("kubeconform").binary("kubeconform")
    where = f"{folder}/{{{{.Group}}}}-{{{{.ResourceAPIVersion}}}}-{{{{.ResourceKind}}}}.json"
    return subprocess.run(
        [str(kubeconform), "-strict", "-summary", "-output", "text", "-schema-location", where],
        input=text,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
