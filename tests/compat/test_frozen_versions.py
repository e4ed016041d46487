"""An upgrade alone rolls no pod out, and runs no migration again.

A folder for each version holds its definition, and CartServices as they are stored, status and all,
each with the Deployment that this version made of it. The one in work is written anew with the
golden files; once the changelog has a heading for a version, its folder stays as it is for ever.
"""

import re
import shutil
from pathlib import Path

import pytest

from carthub_operator.api import names
from carthub_operator.desired.facts import Manifest
from carthub_operator.status.report import status_for
from carthub_operator.version import __version__
from tests.support import golden
from tests.support.crd import CRD_FILE
from tests.support.resources import observation

HERE = Path(__file__).parent
IN_WORK = HERE / f"v{__version__}"
RELEASED = re.findall(
    r"^## \[?v?(\d+\.\d+\.\d+)", (HERE.parents[1] / "CHANGELOG.md").read_text(), re.MULTILINE
)


def test_every_version_is_frozen() -> None:
    if golden.IS_REWRITING and __version__ not in RELEASED:
        shutil.rmtree(IN_WORK, ignore_errors=True)
        for case in golden.CASES:
            given, _ = golden.read(case)
            made = golden.deployment(golden.migrated(given).apply)
            status = status_for(golden.stored(given), observation(), now="2026-01-02T03:04:05Z")
            golden.write(IN_WORK / case.name, {**given, "status": status}, [made])
        (IN_WORK / "crds").mkdir()
        shutil.copy(CRD_FILE, IN_WORK / "crds")

    for version in {*RELEASED, __version__}:
        assert sorted((HERE / f"v{version}").glob("*.yaml")), version
        assert (HERE / f"v{version}" / "crds" / CRD_FILE.name).exists(), version


@pytest.mark.skipif(__version__ in RELEASED, reason="it is released, and stays as it is")
@pytest.mark.skipif(golden.IS_REWRITING, reason="the files are being written")
def test_the_version_in_work_has_the_definition_of_this_checkout() -> None:
    frozen = IN_WORK / "crds" / CRD_FILE.name

    assert frozen.read_text() == CRD_FILE.read_text()


@pytest.mark.skipif(golden.IS_REWRITING, reason="the files are being written")
@pytest.mark.parametrize(
    "file", sorted(HERE.glob("v*/*.yaml")), ids=lambda file: f"{file.parent.name}-{file.stem}"
)
def test_what_a_version_made_stays_as_it_is(file: Path) -> None:
    given, (frozen,) = golden.read(file)

    made = golden.deployment(golden.migrated(given).apply)

    assert made["spec"]["template"] == frozen["spec"]["template"]
    assert _migrated(made) == _migrated(frozen)


def _migrated(deployment: Manifest) -> object:
    """Return for which image and database no migration is run any more."""
    return deployment["metadata"].get("annotations", {}).get(names.ANNOTATION_MIGRATED)
