"""What passes write, and when they write nothing."""

import itertools

from tests.support.world import KEY, SERVING, World


def test_the_first_pass_makes_everything_but_the_deployment(world: World) -> None:
    world.reconcile()

    made = [one.split()[1] for one in world.cluster.requests]
    assert made == [
        "ServiceAccount",
        "NetworkPolicy",
        "Service",
        "PodDisruptionBudget",
        "Secret",
        "HorizontalPodAutoscaler",
        "Job",
    ]


def test_the_deployment_comes_after_the_migration_with_the_least_replicas(world: World) -> None:
    world.reconcile()
    world.play()

    world.reconcile()

    assert world.cluster.find("Deployment", "backend-deployment")["spec"]["replicas"] == 2


def test_a_settled_resource_is_not_written_again(settled: World) -> None:
    for _ in range(3):
        settled.clock.seconds += 100.0
        settled.reconcile()

    assert settled.cluster.writes == []


def test_a_change_after_quiet_passes_waits_whether_it_becomes_a_verdict(settled: World) -> None:
    settled.clock.seconds += 100.0
    settled.reconcile()
    settled.clock.seconds += 5.0
    # One pod more, which does not serve yet.
    settled.set(
        "Deployment", "backend-deployment", status={**SERVING, "replicas": 3, "updatedReplicas": 3}
    )

    outcome = settled.reconcile()

    assert settled.cluster.writes == []
    assert outcome.again_seconds == 1.0
    settled.clock.seconds += 1.0
    settled.reconcile()
    assert settled.cluster.writes == ["status CartService backend"]


def test_passes_in_between_do_not_put_off_the_reading_of_the_secret(settled: World) -> None:
    del settled.cluster.objects["Secret", "shopping-cart", "backend-db"]
    outcomes = []
    for _ in range(7):
        settled.clock.seconds += 10.0
        outcomes.append(settled.reconcile().again_seconds or 0.0)

    assert "create Secret backend-db" in settled.cluster.writes
    assert all(later < sooner for sooner, later in itertools.pairwise(outcomes[:5]))


def test_what_the_spec_no_longer_wants_is_removed(settled: World) -> None:
    live = settled.cluster.find("CartService", "backend")
    live["metadata"]["generation"] = 2
    settled.set("CartService", "backend", spec={**live["spec"], "autoscaling": {"enabled": False}})

    settled.reconcile()

    assert "delete HorizontalPodAutoscaler backend-hpa" in settled.cluster.writes


def test_nothing_is_done_to_a_resource_that_is_being_deleted(settled: World) -> None:
    live = settled.cluster.find("CartService", "backend")
    live["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    settled.set("CartService", "backend")
    settled.cache.discard(settled.cluster.find("Service", "backend-service"))

    settled.reconcile()

    assert settled.cluster.requests == []


def test_a_gone_resource_is_forgotten(settled: World) -> None:
    settled.cache.discard(settled.cluster.find("CartService", "backend"))

    settled.reconcile()

    assert settled.schedule.forgotten[-1] == KEY
