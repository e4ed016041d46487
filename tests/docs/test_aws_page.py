"""What the page on AWS has people give to AWS and to the cluster; its commands: tests/aws."""

import json
import re
from pathlib import Path
from typing import Any

import yaml

from tests.support import markdown, stacks
from tests.support.command_line import carthub
from tests.support.resources import raw_cart_service, without_nones

_PAGE = "aws.md"
_JSON = re.compile(r"^```json\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_NUMBER = re.compile(r"\d{12}")


def _policies() -> list[list[dict[str, Any]]]:
    found = _JSON.findall((markdown.DOCS / _PAGE).read_text())
    return [json.loads(one)["Statement"] for one in found]


def _actions(statements: list[dict[str, Any]]) -> set[str]:
    return {action for one in statements for action in stacks.listed(one["Action"])}


def test_a_role_of_another_account_lets_the_operator_do_what_its_own_policy_allows() -> None:
    own = _actions(list(stacks.statements("identity"))) - {"sts:AssumeRoleWithWebIdentity"}
    trust, rights = _policies()

    assert _actions(trust) | _actions(rights) == own
    [trusted] = trust
    # Both, with Pod Identity: the session's tags go on to the next role.
    assert trusted["Action"] == ["sts:AssumeRole", "sts:TagSession"]


def test_the_accounts_of_the_page_are_two() -> None:
    trust, rights = _policies()
    [credentials] = markdown.yaml_blocks(_PAGE)
    here, there = _NUMBER.findall(str(trust)), _NUMBER.findall(str(rights))
    role = credentials["credentials"]["secretsManager"]["roleArn"]

    assert set(here).isdisjoint(there)
    assert set(_NUMBER.findall(role)) == set(there)


def test_a_cartservice_takes_the_role(tmp_path: Path) -> None:
    raw = without_nones(raw_cart_service())
    [credentials] = markdown.yaml_blocks(_PAGE)
    raw["spec"]["database"] |= credentials
    raw["metadata"] = {"name": "backend", "namespace": "shopping-cart"}
    file = tmp_path / "backend.yaml"
    file.write_text(yaml.safe_dump(raw))

    assert carthub("validate", "-f", str(file)).code == 0


def test_it_installs_no_operator_of_its_own() -> None:
    commands = "\n".join(markdown.shell_blocks(_PAGE))

    # Two ways of installing it under one name refuse each other: this page sends on to Helm's.
    assert "deploy/mine" not in commands
    assert "install-eks.md#2-the-operator" in (markdown.DOCS / _PAGE).read_text()
