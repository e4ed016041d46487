"""What passes write, and when they write nothing."""

import itertools

from carthub_operator.errors import Conflict
from tests.support.resources import UID
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


def test_while_others_wait_for_their_pass_a_new_one_is_told_of_when_it_serves(
    world: World,
) -> None:
    world.is_behind = True
    for _ in range(2):
        world.reconcile()
        world.clock.seconds += 3.0
        world.play()
    assert _status_writes(world) == 0

    world.reconcile()

    assert _status_writes(world) == 1
    assert world.condition("Ready") == "True"


def test_while_others_wait_for_their_pass_progress_is_told_after_ten_seconds(world: World) -> None:
    world.is_behind = True
    assert world.reconcile().again_seconds == 10.0
    world.clock.seconds += 10.0

    world.reconcile()

    assert _status_writes(world) == 1
    assert world.condition("Ready") == "False"


def _status_writes(world: World) -> int:
    return world.cluster.writes.count("status CartService backend")


def test_passes_in_between_do_not_put_off_the_reading_of_the_secret(settled: World) -> None:
    del settled.cluster.objects["Secret", "shopping-cart", "backend-db"]
    outcomes = []
    for _ in range(7):
        settled.clock.seconds += 10.0
        outcomes.append(settled.reconcile().again_seconds or 0.0)

    assert "create Secret backend-db" in settled.cluster.writes
    assert all(later < sooner for sooner, later in itertools.pairwise(outcomes[:5]))


def _without_autoscaler(world: World) -> None:
    live = world.cluster.find("CartService", "backend")
    live["metadata"]["generation"] += 1
    world.set("CartService", "backend", spec={**live["spec"], "autoscaling": {"enabled": False}})


def test_what_the_spec_no_longer_wants_is_removed(settled: World) -> None:
    _without_autoscaler(settled)

    settled.reconcile()

    assert "delete HorizontalPodAutoscaler backend-hpa" in settled.cluster.writes


def test_a_deletion_that_is_refused_for_now_is_asked_again(settled: World) -> None:
    _without_autoscaler(settled)
    settled.cluster.refuses = {"delete HorizontalPodAutoscaler backend-hpa"}
    settled.cluster.refusal = Conflict("the object has been modified")
    assert settled.reconcile().problem is not None

    settled.cluster.refuses = set()
    settled.reconcile()

    assert ("HorizontalPodAutoscaler", "shopping-cart", "backend-hpa") not in (
        settled.cluster.objects
    )


def test_a_child_that_was_made_anew_meanwhile_is_spared_until_it_is_seen(settled: World) -> None:
    _without_autoscaler(settled)
    other = settled.cluster.find("HorizontalPodAutoscaler", "backend-hpa")
    other["metadata"]["uid"] = "another"

    assert settled.reconcile().problem is None

    assert settled.cluster.find("HorizontalPodAutoscaler", "backend-hpa") is other


def test_a_child_whose_write_was_refused_is_removed_once_nobody_wants_it(settled: World) -> None:
    live = settled.cluster.find("HorizontalPodAutoscaler", "backend-hpa")
    settled.set("HorizontalPodAutoscaler", "backend-hpa", spec={**live["spec"], "maxReplicas": 40})
    settled.cluster.refuses = {
        f"{verb} HorizontalPodAutoscaler backend-hpa" for verb in ("apply", "get")
    }
    settled.cluster.refusal = Conflict("the object has been modified")
    assert settled.reconcile().problem is not None
    _without_autoscaler(settled)

    settled.cluster.refuses = set()
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
    # The Secret too, of which no watch tells.
    assert [one["kind"] for one in settled.cache.children(KEY.namespace, UID)].count("Secret") == 0


def test_a_deployment_that_went_unseen_begins_with_the_least_replicas(settled: World) -> None:
    del settled.cluster.objects["Deployment", "shopping-cart", "backend-deployment"]
    settled.schedule.version, settled.schedule.fields = "v2", {"username": "u", "password": "p"}
    settled.clock.seconds += 100.0

    for _ in range(5):
        settled.clock.seconds += 100.0
        settled.reconcile()

    assert settled.cluster.find("Deployment", "backend-deployment")["spec"]["replicas"] == 2


def test_an_edit_that_comes_with_the_answer_to_a_status_is_carried_out_at_once(
    settled: World,
) -> None:
    """The watch, which is behind, brings no news of it: the cache has it already."""
    _pod_less(settled)
    live = settled.cluster.find("CartService", "backend")
    live["metadata"] |= {"generation": 2, "annotations": {"carthub.io/sync": "now"}}
    live["spec"]["autoscaling"] = {"minReplicas": 3}

    outcome = settled.reconcile()

    assert settled.cluster.writes == ["status CartService backend"]
    assert outcome.again_seconds == 0.0
    settled.reconcile()
    scaled = settled.cluster.find("HorizontalPodAutoscaler", "backend-hpa")
    assert scaled["spec"]["minReplicas"] == 3


def test_an_edit_that_mends_what_cannot_be_read_is_carried_out_at_once(settled: World) -> None:
    good = settled.cluster.find("CartService", "backend")
    settled.cache.put(
        settled.cluster.add(
            {
                **good,
                "metadata": {**good["metadata"], "generation": 2},
                "spec": {**good["spec"], "image": 7},
            }
        )
    )
    mended = settled.cluster.find("CartService", "backend")
    mended["metadata"]["generation"], mended["spec"]["image"] = 3, good["spec"]["image"]

    assert settled.reconcile().again_seconds == 0.0

    settled.settle()


def _pod_less(world: World) -> None:
    """Let the Deployment have no pod that serves: a verdict, told at once."""
    status = {**SERVING, "readyReplicas": 0, "availableReplicas": 0}
    world.set("Deployment", "backend-deployment", status=status)
