"""The guide docs/api.md: its commands work as they stand, and its lists are those of the code."""

import re
import shutil
import subprocess
import urllib.request
from pathlib import Path

import pytest
from pydantic.fields import FieldInfo
from starlette.testclient import TestClient

from app.api import problems
from app.settings import Settings
from app.telemetry import Metrics
from tests.support import carts
from tests.support.markdown import DOCS, shell_blocks, table

_PAGE = "api.md"
_SERVED = re.compile(
    r"http_server_request_duration_seconds_count{"
    r'http_request_method="(\w+)",http_response_status_code="2\d\d",http_route="([^"]+)"}'
)


@pytest.mark.skipif(
    not all(map(shutil.which, ("bash", "curl", "jq", "openssl"))),
    reason="the commands of the guide need bash, curl, jq and openssl",
)
def test_every_endpoint_has_a_command_that_works(
    own_url: str, tmp_path: Path, client: TestClient
) -> None:
    blocks = shell_blocks(_PAGE)
    # A refusal ends the script, and a second curl is as strict as the first.
    strict = 'set -euo pipefail\ncurl() { command curl --fail-with-body "$@"; }\n'

    with carts.served(carts.service_environment(own_url), tmp_path) as port:
        here = f"http://127.0.0.1:{port}"
        script = "".join([strict, *blocks]).replace("http://localhost:8000", here)
        ran = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
        with urllib.request.urlopen(f"{here}/metrics") as answer:  # noqa: S310 - our own address
            served = set(_SERVED.findall(answer.read().decode()))

    assert ran.returncode == 0, f"{ran.stdout}\n{ran.stderr}"
    assert {
        (method.upper(), path)
        for path, operations in client.get("/openapi.json").json()["paths"].items()
        for method in operations
    } <= served


def test_error_codes_are_those_of_the_code() -> None:
    listed = [code.strip("`") for code, *_ in table(_PAGE, "### Error codes")]

    assert sorted(listed) == sorted(problems.TITLES)


def test_settings_and_their_defaults_are_those_of_the_code() -> None:
    listed: dict[str, str] = {}
    for names, defaults, _ in table(_PAGE, "## Settings"):
        variables = names.replace("`", "").split(", ")
        # An empty cell is the default of all of them.
        values = defaults.split(", ") if defaults else [""] * len(variables)
        assert len(variables) == len(values), names
        listed |= dict(zip(variables, values, strict=True))

    assert listed == {
        name.upper(): _default_of(field) for name, field in Settings.model_fields.items()
    }


def _default_of(field: FieldInfo) -> str:
    if field.is_required():
        return "needed"
    match field.default:
        case None:
            return ""
        case bool():
            return f"`{str(field.default).lower()}`"
        case int():
            return str(field.default)
        case float():
            return f"{field.default:g}"
        case _:
            return f"`{field.default}`"


def test_metrics_are_those_of_the_code() -> None:
    metrics = Metrics()
    metrics.watch_connections(int)
    metrics.watch_pool(size=int, checked_out=int, overflow=int)
    ours = {
        family.name + ("_total" if family.type == "counter" else "")
        for family in metrics.registry.collect()
        if not family.name.startswith("process_")
    }

    text = (DOCS / _PAGE).read_text().partition("\n## Metrics\n")[2]

    assert set(re.findall(r"`(\w+)`", text)) == ours
