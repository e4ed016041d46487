"""The CloudFormation templates of deploy/aws, read as the linter reads them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cfnlint import decode

FOLDER = Path(__file__).resolve().parents[2] / "deploy" / "aws"
# In the order in which one needs the other.
NAMES = ("artifacts", "database", "rotation", "identity", "build", "deploy", "pipeline")


def path(name: str) -> Path:
    """Return where a template is."""
    return FOLDER / "stacks" / f"{name}.yaml"


def template(name: str) -> dict[str, Any]:
    """Return a template as plain JSON: `!Ref X` is `{"Ref": "X"}`."""
    read, problems = decode.decode(str(path(name)))
    assert problems == []
    plain: dict[str, Any] = json.loads(json.dumps(read))
    return plain


def resources(name: str, kind: str) -> dict[str, dict[str, Any]]:
    """Return the resources of a kind, such as AWS::IAM::Role, by their logical names."""
    found = template(name)["Resources"]
    return {key: value for key, value in found.items() if value["Type"] == kind}


def statements(name: str) -> Iterator[dict[str, Any]]:
    """Yield every statement of every policy in a template, both sides of a condition."""
    yield from _statements(template(name)["Resources"])


def listed(value: Any) -> list[Any]:
    """Return what AWS lets be one or a list as a list."""
    return value if isinstance(value, list) else [value]


def _statements(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        if "Effect" in node:
            yield node
        else:
            for child in node.values():
                yield from _statements(child)
    elif isinstance(node, list):
        for child in node:
            yield from _statements(child)
    elif isinstance(node, str) and '"Statement"' in node:
        # A policy as text, where keys are computed.
        yield from _statements(json.loads(node))
