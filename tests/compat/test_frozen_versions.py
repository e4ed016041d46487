"""An upgrade alone rolls no pod out, and runs no migration again.

A folder for each version holds CartServices as they are stored, each with the Deployment that this
version made of it. The one in work is written anew with the golden files; once the changelog has a
heading for a version, its folder stays as it is for ever.
"""

import re
import shutil
from pathlib import Path

import pytest

from carthub_operator.api import names
from carthub_operator.desired.facts import Manifest
from carthub_operator.version import __version__
from tests.support import golden

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
            golden.write(IN_WORK / case.name, given, [made])

    for version in {*RELEASED, __version__}:
        assert sorted((HERE / f"v{version}").glob("*.yaml")), version


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
