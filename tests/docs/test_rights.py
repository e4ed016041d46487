"""The rights in the documentation are those that are given."""

import itertools
import pathlib

import yaml

from tests.support import markdown, rights

RBAC = pathlib.Path(__file__).resolve().parents[2] / "deploy" / "operator" / "rbac.yaml"


def test_the_table_of_rights_is_what_the_roles_give() -> None:
    roles = [one for one in yaml.safe_load_all(RBAC.read_text()) if one["kind"].endswith("Role")]
    given = rights.given(rule for role in roles for rule in role["rules"])

    told = set()
    for what, verbs, _ in markdown.table("security.md", "## Rights"):
        told |= set(itertools.product(what.split(", "), verbs.split(", ")))

    assert told == {(right.resource, right.verb) for right in given}
    text = (markdown.DOCS / "security.md").read_text()
    assert f"Each of these {len(given)} rights" in text
