"""The commands of the pages for people on call, against the CartService `backend`, as written."""

import json
import re
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.cluster import Cluster, eventually
from tests.support.markdown import DOCS, shell_blocks
from tests.support.shell import run_blocks

if TYPE_CHECKING:
    from carthub_dev.platform import Platform

_NAMESPACE = "shopping-cart"
_RUNBOOK = sorted(page.name for page in (DOCS / "runbook").glob("C*.md"))
# A pod ended before its log was read, or began less than a minute ago: a reader asks again.
_NOT_NOW = re.compile(r'pods "\S+" not found|metrics not available yet')
# A line that nothing has happened to write is no failure of the command that looks for it.
_FOUND_OR_NOT = "\n(( PIPESTATUS[0] == 0 ))\n"


@pytest.mark.parametrize("page", _RUNBOOK, ids=lambda page: page.removesuffix(".md"))
def test_how_to_look_works_as_the_runbook_says(backend: Cluster, tmp_path: Path, page: str) -> None:
    blocks = shell_blocks(str(Path("runbook") / page))
    assert blocks != []
    for block in blocks:
        named = block.replace("NAMESPACE", _NAMESPACE).replace("NAME", "backend")
        if "| grep" in named:
            named = f"set +e\n{named}{_FOUND_OR_NOT}"
        eventually(
            lambda: _runs(named, backend, tmp_path),  # noqa: B023 - used in this round only
            what="it works once pods rest",
            timeout_seconds=180,
        )


def _runs(block: str, backend: Cluster, folder: Path) -> bool:
    """Run a block, and return whether it was the moment for it."""
    try:
        run_blocks([block], cwd=folder, env=backend.environment)
    except AssertionError as error:
        if _NOT_NOW.search(str(error)):
            return False
        raise
    return True


def test_a_pipeline_deploys_as_its_page_says(
    backend: Cluster, platform: "Platform", tmp_path: Path
) -> None:
    from carthub_dev import manifests  # noqa: PLC0415 - collection stays light
    from carthub_dev.aws import REGION  # noqa: PLC0415 - as above

    image = platform.images["carthub-service"].reference
    resource = manifests.cart_service(image, platform.database_facts, region=REGION)
    (tmp_path / "backend.yaml").write_text(json.dumps(resource))

    shown = run_blocks(shell_blocks("cli.md"), cwd=tmp_path, env=backend.environment)

    assert "backend.yaml: backend is valid" in shown
    assert "backend is Ready" in shown


def test_a_rotated_password_arrives_as_its_page_says(
    backend: Cluster, platform: "Platform", tmp_path: Path
) -> None:
    from carthub_dev import manifests  # noqa: PLC0415 - collection stays light

    login, password = "carthub_documented", secrets.token_urlsafe(24)
    platform.database.create_login(login, password)
    value = manifests.secret_value(login, password, platform.database_facts)
    version = platform.aws.rotate(manifests.SECRET_ID, value)

    shown = run_blocks(shell_blocks("rotate-password.md"), cwd=tmp_path, env=backend.environment)

    assert " since 20" in shown
    eventually(
        lambda: (
            backend.wait_ready("backend", _NAMESPACE)["status"]["database"]["secretVersionId"]
            == version
        ),
        what="the version that AWS calls current in the status",
    )
