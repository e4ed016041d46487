"""Another database, its migration, and what becomes of the pods meanwhile."""

from typing import Any

import pytest

from carthub_operator import errors
from carthub_operator.api.conditions import Reason
from tests.support.resources import UID
from tests.support.world import World


def test_another_database_is_carried_out_once_aws_is_back(settled: World) -> None:
    settled.start()
    settled.schedule.error = errors.SecretError(Reason.SECRET_SOURCE_UNAVAILABLE, "AWS is away")
    settled.change_database(name="shop2")
    for _ in range(3):
        settled.clock.seconds += 30.0
        settled.reconcile()
    assert settled.condition("SecretSynced") == "False"
    assert settled.condition("Stalled") == "False"
    assert settled.secret()["PGDATABASE"] == "carthub"

    settled.schedule.error = None
    settled.settle()

    assert settled.secret()["PGDATABASE"] == "shop2"


@pytest.mark.parametrize(
    "changed",
    [{"host": "other.example.com"}, {"port": 5433}, {"name": "shop2"}],
    ids=lambda changed: next(iter(changed)),
)
def test_another_database_reaches_secret_and_pods_once_it_is_migrated(
    settled: World, changed: dict[str, Any]
) -> None:
    before, in_use = settled.template(), settled.secret()

    settled.change_database(**changed)
    settled.reconcile()

    held = settled.secret()
    assert {key: held[key] for key in in_use} == in_use
    assert held["MIGRATION_DATABASE_URL"] != in_use["DATABASE_URL"]
    done = [one.split()[:2] for one in settled.cluster.writes]
    assert ["create", "Job"] in done
    assert ["apply", "Deployment"] not in done
    settled.cluster.requests.clear()

    settled.settle()

    now = settled.secret()
    assert now["DATABASE_URL"] == held["MIGRATION_DATABASE_URL"]
    written = [one for one in settled.cluster.writes if one.split()[1] in {"Secret", "Deployment"}]
    assert written == ["apply Secret backend-db", "apply Deployment backend-deployment"]
    assert settled.template() != before


def test_another_tls_mode_reaches_the_secret_and_then_the_pods(settled: World) -> None:
    before = settled.template()

    settled.change_database(sslMode="disable")
    settled.settle()

    written = [one for one in settled.cluster.writes if one.split()[1] in {"Secret", "Deployment"}]
    assert written == ["apply Secret backend-db", "apply Deployment backend-deployment"]
    assert settled.template() != before


@pytest.mark.parametrize("is_restarted", [False, True], ids=["same-process", "restarted"])
def test_a_database_that_cannot_be_migrated_is_not_used(
    settled: World, *, is_restarted: bool
) -> None:
    in_use = settled.secret()
    settled.change_database(host="wrong.example.com", sslMode="disable")
    settled.reconcile()
    job = next(one.split()[2] for one in settled.cluster.writes if one.startswith("create Job"))
    failed = {"type": "Failed", "status": "True", "message": "BackoffLimitExceeded"}
    settled.set("Job", job, status={"conditions": [failed]})
    if is_restarted:
        settled.start()

    for _ in range(3):
        settled.clock.seconds += 70.0
        settled.reconcile()

    assert settled.condition("Stalled") == "True"
    held = settled.secret()
    assert {key: held[key] for key in in_use} == in_use
    assert settled.cluster.writes.count(f"create Job {job}") == 1

    settled.change_database(host="db.example.com", sslMode="require")
    settled.settle()
    assert settled.secret()["PGHOST"] == "db.example.com"
    assert "apply Deployment backend-deployment" not in settled.cluster.writes


def test_a_failed_migration_is_told_with_its_last_words(world: World) -> None:
    world.reconcile()
    job = next(name for kind, _, name in world.cluster.objects if kind == "Job")
    failed = {"type": "Failed", "status": "True", "message": "BackoffLimitExceeded"}
    world.set("Job", job, status={"conditions": [failed]})
    ended = {"exitCode": 1, "message": "relation carts is in use"}
    world.cache.put(
        world.cluster.add(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {
                    "name": "migrate",
                    "namespace": "shopping-cart",
                    "labels": {
                        "batch.kubernetes.io/controller-uid": world.cluster.find("Job", job)[
                            "metadata"
                        ]["uid"],
                        "carthub.io/owner-uid": UID,
                    },
                },
                "spec": {"containers": []},
                "status": {"containerStatuses": [{"state": {"terminated": ended}}]},
            }
        )
    )

    outcome = world.reconcile()

    told = {one["type"]: one["message"] for one in outcome.conditions}
    assert "relation carts is in use" in told["MigrationSucceeded"]
    assert [one.reason for one in outcome.news] == ["MigrationFailed", "NoAuthentication"]
    assert not [one for one in world.cluster.objects if one[0] == "Deployment"]


def test_a_failed_migration_is_made_again_once_the_credentials_changed(world: World) -> None:
    world.reconcile()
    job = next(name for kind, _, name in world.cluster.objects if kind == "Job")
    failed = {"type": "Failed", "status": "True", "message": "BackoffLimitExceeded"}
    world.set("Job", job, status={"conditions": [failed]})
    world.reconcile()
    assert world.condition("MigrationSucceeded") == "False"

    world.clock.time = "2026-01-02T03:05:00Z"
    world.schedule.version, world.schedule.fields = "v2", {"username": "u", "password": "p"}
    world.reconcile()

    assert f"delete Job {job}" in world.cluster.writes
    assert world.cluster.writes.count(f"create Job {job}") == 2
    assert world.condition("MigrationSucceeded") == "Unknown"
