"""What an operator that begins anew knows, reads and tells."""

from carthub_operator import errors
from carthub_operator.api import names
from carthub_operator.api.conditions import Reason
from tests.support.resources import raw_cart_service
from tests.support.world import SERVING, World


def test_after_a_restart_nothing_is_read_nor_written_at_first(settled: World) -> None:
    settled.start()

    outcome = settled.reconcile()

    assert settled.cluster.requests == []
    assert outcome.again_seconds == 30.0


def test_a_sync_asked_for_while_no_operator_ran_is_carried_out_at_once(settled: World) -> None:
    live = settled.cluster.find("CartService", "backend")
    live["metadata"]["annotations"] = {names.ANNOTATION_SYNC: "now"}
    settled.cache.put(settled.cluster.add(live))
    settled.start()

    settled.settle()

    secret = settled.cluster.find("Secret", "backend-db")
    assert secret["metadata"]["annotations"][names.ANNOTATION_SYNCED] == "now"
    told = settled.cluster.find("CartService", "backend")["status"]["database"]
    assert told["lastHandledSync"] == "now"
    settled.start()
    settled.cluster.requests.clear()
    settled.reconcile()
    assert settled.cluster.requests == []


def test_what_broke_while_no_operator_ran_is_told_at_once(settled: World) -> None:
    broken = {**SERVING, "readyReplicas": 0, "availableReplicas": 0}
    settled.set("Deployment", "backend-deployment", status=broken)
    settled.start()

    settled.reconcile()

    assert settled.condition("Ready") == "False"


def test_after_a_restart_reads_follow_and_nothing_is_written(settled: World) -> None:
    settled.start()
    settled.reconcile()

    settled.reconcile()

    assert settled.cluster.requests == ["get Secret backend-db"]


def test_after_a_restart_a_child_that_went_meanwhile_comes_back_at_once(settled: World) -> None:
    del settled.cluster.objects["Service", "shopping-cart", "backend-service"]
    settled.start()

    settled.reconcile()

    assert settled.cluster.writes == ["create Service backend-service"]


def test_a_restart_while_aws_is_away_flips_no_condition(settled: World) -> None:
    settled.schedule.error = errors.SecretError(Reason.SECRET_SOURCE_UNAVAILABLE, "AWS is away")
    settled.start()
    settled.reconcile()

    outcome = settled.reconcile()

    assert not outcome.conditions
    assert settled.condition("Ready") == "True"


def test_one_made_anew_under_the_same_name_starts_from_nothing(settled: World) -> None:
    raw = raw_cart_service()
    raw["metadata"] |= {"uid": "another", "generation": 1}
    raw["status"] = {"observedGeneration": -1}
    settled.cluster.objects = {}
    settled.cache.put(settled.cluster.add(raw))

    settled.reconcile()

    assert settled.cluster.writes[0] == "create ServiceAccount backend"
