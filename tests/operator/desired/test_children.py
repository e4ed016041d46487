import base64
from pathlib import Path

import pytest

from carthub_operator.desired.children import ChildKey, key_of, plan
from carthub_operator.desired.facts import Facts, Manifest, MigrationState, migration_key
from tests.support import golden
from tests.support.resources import cart_service, credentials, database

DONE = Facts(credentials(), MigrationState.SUCCEEDED)


def _names(wanted: tuple[Manifest, ...]) -> list[str]:
    return [f"{key_of(one).kind}/{key_of(one).name}" for one in wanted]


@pytest.mark.parametrize("file", golden.CASES, ids=lambda file: file.stem)
def test_the_children_equal_the_golden_file(file: Path) -> None:
    given, expected = golden.read(file)

    made = golden.children(given)

    if golden.IS_REWRITING:
        golden.write(file, given, made)
    else:
        assert made == expected


def test_children_are_applied_with_what_pods_need_first() -> None:
    assert _names(plan(cart_service(), DONE).apply) == [
        "ServiceAccount/backend",
        "NetworkPolicy/backend-network-policy",
        "Service/backend-service",
        "PodDisruptionBudget/backend-pdb",
        "Secret/backend-db",
        "Deployment/backend-deployment",
        "HorizontalPodAutoscaler/backend-hpa",
    ]


def test_the_same_facts_give_the_same_plan() -> None:
    assert plan(cart_service(), DONE) == plan(cart_service(), DONE)


def test_without_credentials_the_running_version_and_its_secret_stay() -> None:
    wanted = plan(cart_service(), Facts(None, MigrationState.NOT_STARTED))

    assert not any(key_of(one).kind in {"Secret", "Deployment", "Job"} for one in wanted.apply)
    assert wanted.create == ()
    assert wanted.keep == {
        ChildKey("Deployment", "backend-deployment"),
        ChildKey("Secret", "backend-db"),
    }


def test_without_credentials_a_running_migration_is_left_to_its_end() -> None:
    job = ChildKey("Job", "backend-migrate-0123456789")

    assert plan(cart_service(), Facts(None, MigrationState.NOT_STARTED)).wants(job)
    assert not plan(cart_service(), DONE).wants(job)


def test_migrations_run_before_the_deployment_is_touched() -> None:
    for state in (MigrationState.NOT_STARTED, MigrationState.RUNNING, MigrationState.FAILED):
        wanted = plan(cart_service(), Facts(credentials(), state))

        job = f"Job/backend-migrate-{migration_key(cart_service(), credentials())}"
        assert _names(wanted.create) == [job]
        assert "Deployment/backend-deployment" not in _names(wanted.apply)
        assert ChildKey("Deployment", "backend-deployment") in wanted.keep


def test_a_database_that_is_to_be_migrated_leaves_the_one_in_use_as_it_is() -> None:
    before = plan(cart_service(), DONE)
    in_use = next(one for one in before.apply if one["kind"] == "Secret")
    other = credentials(host="other.example.com", port=5433, version_id="v2")

    wanted = plan(cart_service(), Facts(other, MigrationState.RUNNING, in_use=in_use))

    made = {one["kind"]: one for one in (*wanted.apply, *wanted.create)}
    secret = made["Secret"]
    assert secret["metadata"] == in_use["metadata"]
    assert secret["data"].items() > in_use["data"].items()
    ahead = base64.b64decode(secret["data"]["MIGRATION_DATABASE_URL"]).decode()
    assert "other.example.com:5433" in ahead
    ports = made["NetworkPolicy"]["spec"]["egress"][1]["ports"]
    assert [one["port"] for one in ports] == [5432, 5433]
    pod = made["Job"]["spec"]["template"]["spec"]
    (files,) = [one["secret"] for one in pod["volumes"] if "secret" in one]
    assert {"key": "MIGRATION_DATABASE_URL", "path": "DATABASE_URL"} in files["items"]
    variables = {one["name"]: one for one in pod["containers"][0]["env"]}
    reference = {"name": "backend-db", "key": "MIGRATION_PGHOST"}
    assert variables["PGHOST"]["valueFrom"] == {"secretKeyRef": reference}

    done = plan(cart_service(), Facts(other, MigrationState.SUCCEEDED, in_use=in_use))
    assert done == plan(cart_service(), Facts(other, MigrationState.SUCCEEDED))


def test_a_migration_key_follows_image_and_database_only() -> None:
    resource = cart_service()
    key = migration_key(resource, credentials())

    assert key == migration_key(resource, credentials(password="other", version_id="v2"))
    assert key != migration_key(cart_service(image="other:1"), credentials())
    assert key != migration_key(resource, credentials(database="other"))


def test_migrations_that_are_off_leave_no_job_and_no_trace() -> None:
    resource = cart_service(database=database(migrations={"enabled": False}))

    wanted = plan(resource, Facts(credentials(), MigrationState.NOT_STARTED))

    deployment = next(one for one in wanted.apply if one["kind"] == "Deployment")
    assert wanted.create == ()
    assert "annotations" not in deployment["metadata"]


def test_what_is_switched_off_is_not_wanted() -> None:
    resource = cart_service(autoscaling={"enabled": False}, podDisruptionBudget={"enabled": False})

    wanted = plan(resource, DONE)

    assert not wanted.wants(ChildKey("HorizontalPodAutoscaler", "backend-hpa"))
    assert not wanted.wants(ChildKey("PodDisruptionBudget", "backend-pdb"))
    assert wanted.wants(ChildKey("Deployment", "backend-deployment"))
