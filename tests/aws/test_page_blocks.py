"""The shell blocks of the page on AWS as they stand, in one shell, from the first to the last.

Stood in for: `aws`, `kubectl`, `helm`, `git`, `skopeo`, `make`, `jq`. The pod that makes the roles
is a process here, with a real psql on a real PostgreSQL. What the stacks make: test_stacks.py.
"""

import os
import shlex
import sys
from pathlib import Path
from urllib.parse import urlsplit

import psycopg2
import pytest

from carthub_dev import paths, postgres
from carthub_dev.database import DatabaseServer
from tests.support import markdown
from tests.support.shell import run_blocks

COMMIT = "0123456789abcdef0123456789abcdef01234567"
REGISTRY = "123456789012.dkr.ecr.eu-west-1.amazonaws.com"
ADMIN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:AdminSecret-abc"
# Of the signs that the stack's secret may have.
PASSWORD = "a;b$(c)`d&e|f%g{h}i!j#k~l:m*n?o=p"

_AWS = rf"""case "$*" in
  *resourcesVpcConfig.vpcId*) echo vpc-1 ;;
  *resourcesVpcConfig.subnetIds*) printf 'subnet-1\tsubnet-2\n' ;;
  *resourcesVpcConfig.clusterSecurityGroupId*) echo sg-1 ;;
  *"OutputKey=='Registry'"*) echo {REGISTRY} ;;
  *"OutputKey=='AdminSecretArn'"*) echo {ADMIN} ;;
  "secretsmanager get-secret-value --secret-id {ADMIN} "*) cat "$SECRETS/admin" ;;
  "secretsmanager get-secret-value --secret-id prod/carthub/db "*) cat "$SECRETS/app" ;;
  "ecr get-login-password") echo token ;;
esac"""
# The database of the test has no TLS.
_KUBECTL = """[ "$1" = run ] || exit 0
while [ "$1" != --command ]; do
  case "$1" in --env=*) export "${1#--env=}" ;; esac
  shift
done
shift 2
export PGSSLMODE=disable PGPORT="$TEST_PORT"
exec "$@"
"""
_JQ = """import json, sys
print(json.load(sys.stdin)[sys.argv[2].removeprefix(".")])
"""


def _programs(folder: Path) -> Path:
    """Return a folder of stand-ins, each of which notes in `calls` how it was called."""
    programs = folder / "programs"
    programs.mkdir()
    bodies = {
        "aws": _AWS,
        "git": f'[ "$1" != rev-parse ] || echo {COMMIT}',
        "helm": "true",
        "kubectl": _KUBECTL,
        "make": "true",
        "skopeo": 'read -r password && [ "$password" = token ]',
    }
    for name, body in bodies.items():
        note = f"printf '%s\\n' \"{name} $*\" >> {shlex.quote(str(folder / 'calls'))}"
        (programs / name).write_text(f"#!/bin/bash\n{note}\n{body}\n")
    (programs / "jq").write_text(f"#!{sys.executable}\n{_JQ}")
    for program in programs.iterdir():
        program.chmod(0o755)
    (programs / "psql").symlink_to(postgres.program("psql"))
    return programs


@pytest.fixture(scope="module")
def calls(instance: DatabaseServer, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Run all blocks, and return what they called, in order."""
    folder = tmp_path_factory.mktemp("page")
    place = urlsplit(instance.url)
    for name, user, password in (("admin", "carthub_admin", "admin"), ("app", "x", PASSWORD)):
        (folder / name).write_text(
            f'{{"username": "{user}", "password": "{password}", "host": "{place.hostname}"}}'
        )
    run_blocks(
        markdown.shell_blocks("aws.md"),
        cwd=paths.REPOSITORY,
        env={
            "HOME": str(folder),
            "PATH": os.pathsep.join((str(_programs(folder)), os.environ["PATH"])),
            "SECRETS": str(folder),
            "TEST_PORT": str(place.port),
        },
        timeout_seconds=90,
    )
    return (folder / "calls").read_text().splitlines()


def test_the_roles_are_there_and_the_secret_opens_the_database(
    calls: list[str], instance: DatabaseServer
) -> None:
    url = instance.url_for("carthub_app", PASSWORD).replace("+psycopg2", "")
    connection = psycopg2.connect(url)
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_has_role('carthub_app', 'carthub_owner', 'MEMBER')")
            assert cursor.fetchone() == (True,)
    finally:
        connection.close()
    # Nobody who lists processes or pods sees a password.
    assert not any(PASSWORD in call for call in calls)


def test_the_stacks_are_told_what_the_cluster_has(calls: list[str]) -> None:
    [database] = [call for call in calls if "deploy --stack-name carthub-database" in call]

    assert database.endswith("VpcId=vpc-1 SubnetIds=subnet-1,subnet-2 ClusterSecurityGroupId=sg-1")


def test_the_first_images_are_those_of_the_commit(calls: list[str]) -> None:
    assert [call for call in calls if call.startswith("make")] == [
        f"make images TAG={COMMIT}",
        f"make push IMAGE_REPOSITORY={REGISTRY} TAG={COMMIT}",
    ]
    assert f"skopeo login --username AWS --password-stdin {REGISTRY}" in calls


def test_the_commit_is_pushed_with_the_login_of_aws(calls: list[str]) -> None:
    [push] = [call for call in calls if call.startswith("git") and " push " in call]

    assert "credential.helper=!aws codecommit credential-helper $@" in push
    assert push.endswith(
        "https://git-codecommit.eu-west-1.amazonaws.com/v1/repos/carthub HEAD:main"
    )


def test_what_is_cleaned_up_goes_in_the_other_direction(calls: list[str]) -> None:
    made = [call.split()[4] for call in calls if call.startswith("aws cloudformation deploy ")]
    gone = [call.split()[4] for call in calls if " delete-stack " in call]

    # The bucket of the first one must be empty before.
    assert gone == made[:0:-1]
    assert made[0] == "carthub-artifacts"
