"""What is made from the chart, and what the chart is made from: `make manifests` writes it.

The chart is the one home of how the operator is installed. `deploy/operator` is what it renders,
for who has kubectl alone; the files in it that other folders are the home of are copies, since a
link would be lost where a chart is fetched from Git (Flux leaves links out).
"""

import json
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from carthub_dev import paths
from carthub_dev.helm import CHART, RELEASE, Helm

BASE = paths.REPOSITORY / "deploy" / "operator"
PAGE = paths.REPOSITORY / "docs" / "helm.md"
NAMESPACE = "carthub-system"

_MONITORING = paths.REPOSITORY / "deploy" / "monitoring"
# A file of the chart -> its home.
_COPIES = {
    CHART / "files" / "crd.yaml": paths.REPOSITORY / "crds" / "carthub.io_cartservices.yaml",
    CHART / "files" / "dashboard.json": _MONITORING / "dashboard.json",
    CHART / "files" / "prometheus-rule.yaml": _MONITORING / "prometheus-rule.yaml",
}
# The image of this checkout; the definition is applied on its own, and first.
BASE_VALUES: dict[str, Any] = {"image": {"tag": "dev"}, "crds": {"install": False}}
# Written by hand: Helm makes no namespace of its own kind, and kustomize is not Helm's.
_BY_HAND = ("kustomization.yaml", "namespace.yaml")
_HEADER = "# Made by `make manifests` from {source}; a test keeps the two equal.\n"
_SOURCE = re.compile(r"^# Source: carthub-operator/(\S+)\n", re.MULTILINE)
_HEADING = "## Values\n"


def copies() -> dict[Path, str]:
    """Return what the chart's copies must be."""
    return {copy: home.read_text() for copy, home in _COPIES.items()}


def base(helm: Helm) -> dict[Path, str]:
    """Return what `deploy/operator` must be, but for what is written by hand."""
    rendered = helm(
        *("template", RELEASE, str(CHART), "--namespace", NAMESPACE, "--no-hooks"),
        values=BASE_VALUES,
    )
    made: dict[str, list[str]] = {}
    for document in re.split(r"^---\n", rendered, flags=re.MULTILINE):
        if found := _SOURCE.search(document):
            text = _SOURCE.sub("", document).strip("\n")
            made.setdefault(found.group(1), []).append(text + "\n")
    return {
        BASE / Path(source).name: _HEADER.format(source=f"charts/carthub-operator/{source}")
        + "---\n".join(documents)
        for source, documents in made.items()
    }


def page() -> str:
    """Return what `docs/helm.md` must be: its table is of the values as they are."""
    before, heading, after = PAGE.read_text().partition(_HEADING)
    schema = json.loads((CHART / "values.schema.json").read_text())
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    rows = [
        f"| `{name}` | `{json.dumps(default)}` | {description} |"
        for name, default, description in leaves(schema, values)
    ]
    table = "\n".join(["| value | default | |", "|---|---|---|", *rows])
    _, _, rest = after.partition("\n\n## ")
    return f"{before}{heading}\n{table}\n" + (f"\n## {rest}" if rest else "")


def leaves(
    schema: dict[str, Any], values: dict[str, Any], prefix: str = ""
) -> Iterator[tuple[str, Any, str]]:
    """Yield name, default and description of every value; what Kubernetes defines is one value."""
    for name, described in schema["properties"].items():
        if name not in values:
            continue
        inner = described.get("properties", {})
        if inner and all("description" in one for one in inner.values()):
            yield from leaves(described, values[name], f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", values[name], described["description"]


def main() -> None:
    """Write everything that is made."""
    # Copies first: what is rendered has them in it.
    for file, text in copies().items():
        file.write_text(text)
    with tempfile.TemporaryDirectory() as home:
        made = base(Helm(Path(home)))
    for file in BASE.glob("*.yaml"):
        if file.name not in _BY_HAND and file not in made:
            file.unlink()
    for file, text in {**made, PAGE: page()}.items():
        file.write_text(text)


if __name__ == "__main__":
    main()
