"""Golden files: a CartService, and behind it what is made of it, as YAML documents.

`CARTHUB_GOLDEN=write make test PYTEST_ARGS="tests/operator/desired tests/compat"` writes them anew;
the difference is then looked at, and committed with what caused it.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from carthub_operator.api import resource
from carthub_operator.api.resource import CartService
from carthub_operator.desired.children import Plan, plan
from carthub_operator.desired.facts import Facts, Manifest, MigrationState
from tests.support.resources import UID, credentials

FOLDER = Path(__file__).parents[1] / "operator" / "desired" / "golden"
CASES = sorted(FOLDER.glob("*.yaml"))
IS_REWRITING = os.environ.get("CARTHUB_GOLDEN") == "write"


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, _: object) -> bool:
        # The same labels are written out wherever they are.
        return True


def read(file: Path) -> tuple[Manifest, list[Manifest]]:
    """Return the CartService of a golden file, and what stands behind it."""
    given, *made = yaml.safe_load_all(file.read_text())
    return given, made


def write(file: Path, given: Manifest, made: Sequence[Manifest]) -> None:
    """Write a golden file."""
    file.parent.mkdir(exist_ok=True)
    file.write_text(yaml.dump_all([given, *made], Dumper=_Dumper, sort_keys=False, width=100))


def stored(given: Manifest) -> CartService:
    """Return a CartService as the operator sees it, with the tests' uid."""
    metadata = {**given["metadata"], "uid": UID, "generation": 1}
    return resource.parse({**given, "metadata": metadata, "status": {"observedGeneration": -1}})


def migrated(given: Manifest) -> Plan:
    """Return the plan with the builder's credentials, once the migrations are done."""
    return _plan(given, MigrationState.SUCCEEDED)


def children(given: Manifest) -> list[Manifest]:
    """Return every child of it on a cluster that knows all kinds, the migration's Job last."""
    before = _plan(given, MigrationState.NOT_STARTED)
    return [*migrated(given).apply, *before.create]


def deployment(made: Sequence[Manifest]) -> dict[str, Any]:
    """Return the Deployment among children."""
    return next(one for one in made if one["kind"] == "Deployment")


def _plan(given: Manifest, state: MigrationState) -> Plan:
    return plan(stored(given), Facts(credentials(), state, serves_service_monitors=True))
