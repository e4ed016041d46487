"""The two references are those of the code.

`CARTHUB_GOLDEN=write make test PYTEST_ARGS="tests/docs/test_references.py"` writes them anew.
"""

import json
from pathlib import Path

import yaml

from app.main import create_app
from app.settings import Settings
from carthub_docs import api_reference, resource_reference
from tests.support.crd import CRD_FILE
from tests.support.golden import IS_REWRITING
from tests.support.markdown import DOCS


def _compare(file: Path, made: str) -> None:
    if IS_REWRITING:
        file.write_text(made)
    assert file.read_text() == made


def test_the_fields_are_those_of_the_definition() -> None:
    definition = yaml.safe_load(CRD_FILE.read_text())

    _compare(DOCS / "reference-resource.md", resource_reference.page(definition))


def test_the_operations_are_those_of_the_service() -> None:
    document = create_app(Settings(database_url="postgresql://shop@database/carts")).openapi()

    _compare(DOCS / "openapi.json", json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    _compare(DOCS / "reference-api.md", api_reference.page(document))
