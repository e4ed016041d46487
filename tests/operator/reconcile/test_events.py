"""Which Events passes have for people when a CartService goes through something."""

from tests.support.world import SERVING, World


def _told(world: World, *, passes: int = 12) -> list[str]:
    """Return the reasons of all Events until the resource has come to rest."""
    told = []
    for _ in range(passes):
        world.clock.seconds += 6.0
        told += [one.reason for one in world.reconcile().news]
        world.play()
    return told


def _edit_secret(world: World) -> None:
    live = world.cluster.find("Secret", "backend-db")
    del live["metadata"]["managedFields"][0]["fieldsV1"]["f:data"]["f:DB_PASSWORD"]
    live["data"]["DB_PASSWORD"] = "bm9uZQ=="
    world.cluster.add(live)


def _change(world: World, **spec: object) -> None:
    live = world.cluster.find("CartService", "backend")
    live["metadata"]["generation"] += 1
    world.set("CartService", "backend", spec={**live["spec"], **spec})


def test_a_new_resource_is_told_in_two_events(world: World) -> None:
    assert sorted(_told(world)) == ["NoAuthentication", "Ready"]


def test_a_secret_that_somebody_edited_is_told_as_set_back(settled: World) -> None:
    _edit_secret(settled)

    assert _told(settled) == ["Restored"]


def test_a_secret_that_somebody_deleted_is_told_as_made_again(settled: World) -> None:
    del settled.cluster.objects["Secret", "shopping-cart", "backend-db"]

    assert _told(settled) == ["Restored"]


def test_a_rotation_is_told_by_its_version_alone(settled: World) -> None:
    settled.schedule.version, settled.schedule.fields = "v2", {"username": "u", "password": "p"}

    told = _told(settled)

    # The Deployment follows.
    assert sorted(told) == ["SecretUpdated", "Updated"]


def test_a_sync_that_finds_nothing_new_tells_nothing(settled: World) -> None:
    live = settled.cluster.find("CartService", "backend")
    metadata = {**live["metadata"], "annotations": {"carthub.io/sync": "1"}}
    settled.set("CartService", "backend", metadata=metadata)

    assert _told(settled) == []
    assert "apply Secret backend-db" in settled.cluster.writes


def test_a_new_image_tells_of_its_migration_once(settled: World) -> None:
    _change(settled, image="registry.example.com/carthub-service:2")

    told = _told(settled)

    assert sorted(told) == ["Migrated", "Ready", "Updated"]


def test_a_suspended_resource_is_told_when_it_begins_and_when_it_ends(settled: World) -> None:
    settled.suspend()
    assert _told(settled) == ["Suspended"]

    settled.suspend(is_wanted=False)
    assert _told(settled) == ["Resumed"]


def test_lost_pods_are_told_and_pods_to_come_are_not(settled: World) -> None:
    alone = {"readyReplicas": 0, "availableReplicas": 0}
    settled.set("Deployment", "backend-deployment", status={**SERVING, **alone})
    assert [one.reason for one in settled.reconcile().news] == ["Unavailable"]
    assert _told(settled) == ["Ready"]

    _change(settled, autoscaling={"minReplicas": 10})
    live = settled.cluster.find("Deployment", "backend-deployment")
    settled.set("Deployment", "backend-deployment", spec={**live["spec"], "replicas": 10})
    settled.clock.seconds += 6.0
    # The autoscaler's own field comes with the spec.
    assert "Unavailable" not in [one.reason for one in settled.reconcile().news]
    assert settled.condition("DeploymentAvailable") == "False"
