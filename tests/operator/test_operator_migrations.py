"""Migrations before the rollout, on a real API server."""

from carthub_dev.operator_process import OperatorProcess
from tests.support.live_cart import LiveCart, waiting
from tests.support.live_operator import OTHER_IMAGE, settle
from tests.support.resources import IMAGE


def test_a_failed_migration_leaves_the_old_version_serving(ready: LiveCart) -> None:
    ready.migration_fails = "relation carts is in use"

    ready.patch("CartService", "backend", {"spec": {"image": OTHER_IMAGE}})
    told = ready.wait_for("MigrationSucceeded", "False", "MigrationFailed")

    assert "relation carts is in use" in told["message"]
    pod = ready.child("Deployment")["spec"]["template"]["spec"]
    assert pod["containers"][0]["image"] == IMAGE
    assert ready.condition("DeploymentAvailable")["status"] == "True"
    assert ready.condition("Stalled")["status"] == "True"

    ready.migration_fails = None
    failed = next(
        job
        for job in ready.items("Job")
        if any(c["type"] == "Failed" for c in job["status"]["conditions"])
    )
    ready.delete("Job", failed["metadata"]["name"])

    ready.wait_ready()
    pod = ready.child("Deployment")["spec"]["template"]["spec"]
    assert pod["containers"][0]["image"] == OTHER_IMAGE


def test_a_database_that_cannot_be_migrated_leaves_the_one_before_in_use(
    ready: LiveCart, operator: OperatorProcess
) -> None:
    in_use, template = ready.secret(), ready.child("Deployment")["spec"]["template"]
    ready.migration_fails = "no such host"

    ready.patch("CartService", "backend", {"spec": {"database": {"host": "other.example.com"}}})
    ready.wait_for("MigrationSucceeded", "False", "MigrationFailed")

    held = ready.secret()
    assert {key: held[key] for key in in_use} == in_use
    assert held["MIGRATION_PGHOST"] == "other.example.com"
    (failed,) = (
        job["metadata"]["name"]
        for job in ready.items("Job")
        if any(c["type"] == "Failed" for c in job["status"]["conditions"])
    )

    ready.migration_fails = None
    ready.delete("Job", failed)

    ready.wait_ready()
    settle(operator)
    assert set(ready.secret()) == set(in_use)
    assert ready.secret()["PGHOST"] == "other.example.com"
    assert ready.child("Deployment")["spec"]["template"] != template


def _jobs(cart: LiveCart) -> set[str]:
    return {job["metadata"]["uid"] for job in cart.items("Job")}


def test_a_failed_migration_is_made_anew_with_another_owner_role(ready: LiveCart) -> None:
    ready.migration_fails = 'role "carthub_owner" does not exist'
    ready.patch("CartService", "backend", {"spec": {"image": OTHER_IMAGE}})
    ready.wait_for("MigrationSucceeded", "False", "MigrationFailed")
    ready.migration_fails = None

    migrations = {"migrations": {"ownerRole": "shop_owner"}}
    ready.patch("CartService", "backend", {"spec": {"database": migrations}})

    ready.wait_ready()
    (job,) = ready.items("Job")
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert {"name": "DB_OWNER_ROLE", "value": "shop_owner"} in container["env"]


def test_a_migration_that_succeeded_is_not_made_again_for_another_spec(
    ready: LiveCart, operator: OperatorProcess
) -> None:
    before = _jobs(ready)

    migrations = {"migrations": {"ownerRole": "shop_owner"}}
    ready.patch("CartService", "backend", {"spec": {"database": migrations, "logLevel": "DEBUG"}})
    ready.wait_ready()
    settle(operator)

    assert _jobs(ready) == before


def test_a_migration_whose_image_cannot_be_pulled_is_told_at_once_and_made_anew(
    ready: LiveCart,
) -> None:
    ready.migration_status = lambda pod: waiting(pod, "ImagePullBackOff")
    ready.patch("CartService", "backend", {"spec": {"image": OTHER_IMAGE}})

    told = ready.wait_for("Stalled", "True", "ImagePullFailed")

    assert f"cannot pull {OTHER_IMAGE}" in told["message"]
    assert ready.condition("DeploymentAvailable")["status"] == "True"
    before = _jobs(ready)

    ready.migration_status = None
    secrets = [{"name": "registry"}]
    ready.patch("CartService", "backend", {"spec": {"imagePullSecrets": secrets}})

    ready.wait_ready()
    assert not _jobs(ready) & before
