"""checkov's policies, in an environment of its own: it pins a boto3 that is years old."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.support import policy_tool, stacks

# Each skipped where it stands, with its reason.
EXCUSED = {
    ("CKV_AWS_18", "artifacts"),  # access logs of the bucket
    ("CKV_AWS_111", "deploy"),  # actions that know no resource
    ("CKV_AWS_158", "build"),  # logs with a key of one's own
    ("CKV_AWS_158", "deploy"),
    ("CKV_AWS_161", "database"),  # logging in to the database with IAM
}


@pytest.mark.usefixtures("checkov_installed")
def test_checkov_finds_nothing_that_is_not_excused(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            *(policy_tool.program(), "--directory", stacks.FOLDER / "stacks"),
            *("--framework", "cloudformation", "--output", "json", "--skip-download"),
        ],
        # Where it finds no settings.
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "LOG_LEVEL": "ERROR"},
        capture_output=True,
        text=True,
        check=False,
    )
    report = json.loads(done.stdout)
    results, summary = report["results"], report["summary"]

    failed = [
        (one["check_id"], one["resource"], one["check_name"]) for one in results["failed_checks"]
    ]
    assert failed == []
    assert done.returncode == 0
    assert summary["parsing_errors"] == 0
    excused = {
        (one["check_id"], Path(one["file_path"]).stem): one["check_result"]["suppress_comment"]
        for one in results["skipped_checks"]
    }
    assert excused.keys() == EXCUSED
    assert all(excused.values())
    assert len(results["passed_checks"]) >= 90
