"""schemathesis asks the running service what its own OpenAPI document says it takes, and more."""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import fuzz_hooks
from tests.support.issuer import SERVICE_SCOPE, running_issuer
from tests.support.raw_http import Server, running_server
from tests.support.sizes import size

_ROOT = Path(fuzz_hooks.__file__).parents[2]


@contextlib.contextmanager
def _service(url: str, *, is_guarded: bool) -> Iterator[tuple[Server, list[str]]]:
    """Lend a service, and the options with which everything on it is allowed."""
    if not is_guarded:
        with running_server({}, url) as server:
            yield server, []
        return
    with running_issuer() as issuer, running_server(issuer.settings, url) as server:
        token = issuer.token("fuzz", scope=SERVICE_SCOPE, exp=int(time.time()) + 7200)
        yield server, ["--header", f"Authorization: Bearer {token}"]


@pytest.mark.faults
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("is_guarded", [False, True], ids=["open", "guarded"])
def test_service_keeps_what_its_document_promises(
    own_url: str, tmp_path: Path, *, is_guarded: bool
) -> None:
    with _service(own_url, is_guarded=is_guarded) as (server, options):
        done = _schemathesis(server, tmp_path, options)
        assert server.talk(b"GET /health HTTP/1.0\r\nHost: x\r\n\r\n").statuses == [200]
    report: dict[str, Any] = json.loads((tmp_path / "report.json").read_text())
    cases = report["test_cases"]
    print(  # noqa: T201 - the figures of the test
        f"schemathesis, tokens {'on' if is_guarded else 'off'}: {cases['generated']} cases of"
        f" {report['operations']['tested']} operations in {report['running_time']:.0f} s,"
        f" {cases['unique_failures']} findings, seed {report['seed']}"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert report["complete"]
    assert report["errors"] == []
    assert report["operations"]["tested"] == report["operations"]["total"] >= 14
    assert cases["generated"] >= size(short=300, full=5000)


def _schemathesis(
    server: Server, folder: Path, options: list[str]
) -> subprocess.CompletedProcess[str]:
    examples = size(short=5, full=360)
    return subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "run"),
            f"http://127.0.0.1:{server.port}/openapi.json",
            *("--checks", "all"),
            *("--max-examples", str(examples)),
            "--continue-on-failure",
            *("--report-json-path", str(folder / "report.json")),
            *options,
        ],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": str(_ROOT),
            "SCHEMATHESIS_HOOKS": fuzz_hooks.__name__,
        },
        capture_output=True,
        text=True,
        timeout=1700,
        check=False,
    )
