"""Answers of the API server that refuse, fail or are missing, and what is told of them."""

from collections.abc import Callable

import pytest

from carthub_operator import errors
from tests.support.resources import IMAGE, UID
from tests.support.world import World


def _always(error: errors.CarthubError) -> Callable[[int], None]:
    def fails(_: int) -> None:
        raise error

    return fails


def _fail_at(number: int) -> Callable[[int], None]:
    def fails(request: int) -> None:
        if request == number:
            raise errors.ClusterUnavailable("it does not answer")

    return fails


def test_an_object_of_somebody_else_is_never_written(world: World) -> None:
    service = {"name": "backend-service", "namespace": "shopping-cart"}
    world.cluster.add({"apiVersion": "v1", "kind": "Service", "metadata": service, "spec": {}})

    outcome = world.reconcile()

    assert isinstance(outcome.problem, errors.NameTaken)
    assert world.condition("Stalled") == "True"
    assert "apply Service backend-service" not in world.cluster.requests


def test_what_is_refused_keeps_pods_back_and_nothing_else(world: World) -> None:
    budget = {"name": "backend-pdb", "namespace": "shopping-cart"}
    theirs = {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": budget}
    world.cluster.add(theirs)

    world.reconcile()

    made = {one.split()[1] for one in world.cluster.writes if one.startswith("create")}
    assert made >= {"Secret", "Service", "HorizontalPodAutoscaler"}
    assert not made & {"Job", "Deployment"}


def test_a_new_secret_version_reaches_the_secret_although_a_child_is_refused(
    settled: World,
) -> None:
    live = settled.cluster.find("PodDisruptionBudget", "backend-pdb")
    settled.cache.discard(live)
    theirs = {**live, "metadata": {"name": "backend-pdb", "namespace": "shopping-cart"}}
    settled.cluster.add(theirs)
    settled.schedule.version, settled.schedule.fields = "v2", {"username": "u", "password": "p"}

    settled.reconcile()

    assert "apply Secret backend-db" in settled.cluster.writes
    assert "apply Deployment backend-deployment" not in settled.cluster.writes


class _EveryJob(set[str]):
    def __contains__(self, request: object) -> bool:
        return str(request).startswith("create Job ")


def test_a_job_that_is_refused_keeps_nothing_that_is_unwanted(settled: World) -> None:
    """A quota of one Job: the one before stands in the way of the next."""
    live = settled.cluster.find("CartService", "backend")
    live["metadata"]["generation"] += 1
    live["spec"] |= {"image": f"{IMAGE}-2", "podDisruptionBudget": {"enabled": False}}
    settled.cache.put(settled.cluster.add(live))
    settled.cluster.refuses = _EveryJob()
    settled.cluster.refusal = errors.Rejected("exceeded quota")

    outcome = settled.reconcile()

    assert isinstance(outcome.problem, errors.Rejected)
    removed = {one.split()[1] for one in settled.cluster.writes if one.startswith("delete")}
    assert removed == {"PodDisruptionBudget", "Job"}


def test_children_of_a_predecessor_are_waited_for(settled: World) -> None:
    """Deleted and made anew at once: the garbage collector has not come by yet."""
    before = settled.cluster.find("CartService", "backend")
    settled.cache.discard(before)
    metadata = {**before["metadata"], "uid": "anew", "generation": 1}
    settled.cache.put(settled.cluster.add({**before, "metadata": metadata, "status": {}}))

    outcome = settled.reconcile()

    assert isinstance(outcome.problem, errors.Passing)
    assert outcome.news == []
    assert "status" not in " ".join(settled.cluster.writes)


def test_a_copy_of_a_child_that_there_is_only_one_of_is_left_alone(settled: World) -> None:
    live = settled.cluster.find("Service", "backend-service")
    copied = {**live, "metadata": {**live["metadata"], "name": "by-hand", "uid": "copy"}}
    settled.cache.put(settled.cluster.add(copied))

    settled.reconcile()

    assert settled.cluster.writes == []


def test_a_definition_that_has_just_gone_stops_nothing(world: World) -> None:
    world.serve("ServiceMonitor")
    world.cluster.refuses = {"create ServiceMonitor backend"}
    world.cluster.refusal = errors.NotFound("no such kind")

    world.reconcile()

    made = {one.split()[1] for one in world.cluster.writes if one.startswith("create")}
    assert {"Secret", "HorizontalPodAutoscaler"} <= made


def test_one_answer_that_is_none_is_not_told(settled: World) -> None:
    settled.cache.discard(settled.cluster.find("Service", "backend-service"))
    settled.cluster.fails = _always(errors.ClusterUnavailable("it does not answer"))

    outcome = settled.reconcile()

    assert isinstance(outcome.problem, errors.ClusterUnavailable)
    assert settled.condition("Ready") == "True"
    assert settled.cluster.writes == []


def test_what_lasts_is_told(settled: World) -> None:
    settled.cache.discard(settled.cluster.find("Service", "backend-service"))
    del settled.cluster.objects["Service", "shopping-cart", "backend-service"]
    settled.cluster.refuses = {"create Service backend-service"}
    settled.reconcile()
    settled.clock.seconds += 6.0

    outcome = settled.reconcile()

    told = {one["type"]: (one["status"], one["reason"]) for one in outcome.conditions}
    assert told["Ready"] == ("False", "ClusterUnavailable")
    assert told["Reconciling"] == ("True", "ClusterUnavailable")


def test_a_right_to_read_that_is_missing_is_told(settled: World) -> None:
    settled.clock.seconds += 100.0
    settled.cluster.refuses = {"get Secret backend-db"}
    settled.cluster.refusal = errors.Forbidden("cannot get secrets")

    outcome = settled.reconcile()

    assert isinstance(outcome.problem, errors.Forbidden)
    told = {one["type"]: (one["status"], one["message"]) for one in outcome.conditions}
    assert told["Stalled"] == ("True", "cannot get secrets")


def test_a_conflict_that_passes_is_no_name_that_is_taken(settled: World) -> None:
    settled.set("Service", "backend-service", spec={"ports": []})
    settled.cluster.refuses = {"apply Service backend-service"}
    settled.cluster.refusal = errors.Conflict("the object has been modified")

    outcome = settled.reconcile()

    assert isinstance(outcome.problem, errors.Conflict)
    assert settled.condition("Stalled") == "False"
    settled.cluster.refuses = set()
    settled.reconcile()
    assert settled.cluster.find("Service", "backend-service")["spec"]["ports"]


def test_ours_without_its_label_is_found_and_mended(settled: World) -> None:
    live = settled.cluster.find("Service", "backend-service")
    metadata = {key: value for key, value in live["metadata"].items() if key != "labels"}
    settled.cluster.add({**live, "metadata": metadata})
    settled.cache.discard(live)

    settled.reconcile()

    mended = settled.cluster.find("Service", "backend-service")["metadata"]
    assert mended["labels"]["carthub.io/owner-uid"] == UID


def test_a_spec_that_cannot_be_read_is_told(settled: World) -> None:
    live = settled.cluster.find("CartService", "backend")
    settled.set("CartService", "backend", spec={**live["spec"], "replicas": "many"})

    outcome = settled.reconcile()

    assert settled.condition("Stalled") == "True"
    assert [one.reason for one in outcome.news] == ["InvalidSpec"]


@pytest.mark.parametrize("number", range(13))
@pytest.mark.parametrize("is_restarted", [False, True], ids=["same-process", "restarted"])
def test_a_pass_that_fails_anywhere_is_mended_by_the_next(
    world: World, number: int, *, is_restarted: bool
) -> None:
    world.cluster.fails = _fail_at(number)
    for _ in range(4):
        try:
            world.reconcile()
        except errors.CarthubError:
            break
        world.play()
        world.clock.seconds += 2.0
    world.cluster.fails = lambda _: None
    if is_restarted:
        world.start()

    world.settle()

    kinds = sorted(kind for kind, _, _ in world.cluster.objects)
    assert kinds == [
        "CartService",
        "Deployment",
        "HorizontalPodAutoscaler",
        "Job",
        "NetworkPolicy",
        "PodDisruptionBudget",
        "Secret",
        "Service",
        "ServiceAccount",
    ]
    containers = world.cluster.find("Deployment", "backend-deployment")["spec"]["template"]["spec"]
    assert containers["containers"][0]["image"] == IMAGE
