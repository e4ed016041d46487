"""Versions and values of the database's secret: which one counts, and how it reaches the pods."""

from carthub_operator import errors
from carthub_operator.api.conditions import Reason
from carthub_operator.contracts import Login
from tests.support.resources import SECRET_ID
from tests.support.world import World


def test_a_key_that_the_secret_lacks_stays_told_after_a_restart(settled: World) -> None:
    source = {"secretId": SECRET_ID, "region": "eu-west-1", "keys": {"username": "none"}}
    settled.change_database(credentials={"secretsManager": source})
    settled.reconcile()
    assert settled.condition("SecretSynced") == "False"

    for _ in range(2):
        settled.start()
        settled.clock.seconds += 30.0
        settled.reconcile()

    assert settled.condition("SecretSynced") == "False"
    assert settled.condition("Ready") == "False"


def test_a_secret_of_an_unknown_origin_is_made_anew(settled: World) -> None:
    live = settled.cluster.find("Secret", "backend-db")
    del live["metadata"]["annotations"]["carthub.io/secret-origin"]
    settled.cluster.add(live)
    settled.start()
    settled.reconcile()

    settled.reconcile()

    assert settled.cluster.writes == ["apply Secret backend-db"]


def test_a_new_secret_version_reaches_secret_and_pods(settled: World) -> None:
    settled.schedule.version, settled.schedule.fields = "v2", {"username": "u", "password": "p"}

    news = list(settled.reconcile().news)
    settled.clock.seconds += 10.0
    news += settled.reconcile().news

    assert settled.cluster.writes[:2] == [
        "apply Secret backend-db",
        "apply Deployment backend-deployment",
    ]
    assert [one.reason for one in news] == ["Updated", "SecretUpdated"]


def test_the_same_value_in_a_new_version_writes_nothing(settled: World) -> None:
    settled.schedule.version = "v2"

    settled.reconcile()

    assert settled.cluster.writes == []


def test_a_value_that_the_database_refuses_replaces_no_good_one(settled: World) -> None:
    settled.schedule.version, settled.schedule.fields = "v2", {"username": "u", "password": "p "}
    settled.logins.answer = Login(refusal="28P01")

    outcome = settled.reconcile()

    assert "apply Secret backend-db" not in settled.cluster.writes
    told = {one["type"]: one for one in outcome.conditions}
    assert told["SecretSynced"]["reason"] == "SecretRefused"
    assert "28P01" in told["SecretSynced"]["message"]
    assert "password begins or ends with white space" in told["SecretSynced"]["message"]
    assert "version v1 goes on being used" in told["SecretSynced"]["message"]
    assert settled.condition("DeploymentAvailable") == "True"

    settled.logins.answer = Login(is_accepted=True)
    settled.reconcile()
    assert "apply Secret backend-db" in settled.cluster.writes


def test_a_value_that_nobody_can_try_now_waits_and_replaces_no_good_one(settled: World) -> None:
    settled.schedule.version, settled.schedule.fields = "v2", {"username": "u", "password": "p"}
    settled.logins.answer = Login(is_postponed=True)

    outcome = settled.reconcile()

    assert "apply Secret backend-db" not in settled.cluster.writes
    assert outcome.again_seconds == 5.0
    told = {one["type"]: one for one in outcome.conditions}
    assert told["SecretSynced"]["reason"] == "Pending"
    assert "version v1 goes on being used" in told["SecretSynced"]["message"]
    assert settled.condition("Stalled") == "False"

    settled.logins.answer = Login()
    settled.reconcile()
    assert "apply Secret backend-db" in settled.cluster.writes


def test_the_first_value_replaces_none_and_need_not_wait(world: World) -> None:
    world.logins.answer = Login(is_postponed=True)

    world.reconcile()

    assert "create Secret backend-db" in world.cluster.writes


def test_a_refused_value_stays_refused_while_aws_is_away(settled: World) -> None:
    settled.schedule.version, settled.schedule.fields["password"] = "v2", "wrong"
    settled.logins.answer = Login(refusal="28P01")
    settled.reconcile()
    settled.schedule.error = errors.SecretError(Reason.SECRET_SOURCE_UNAVAILABLE, "AWS is away")

    settled.reconcile()

    assert settled.condition("SecretSynced") == "False"


def test_only_what_is_new_is_tried_at_the_database(settled: World) -> None:
    settled.schedule.version = "v2"
    for _ in range(3):
        settled.clock.seconds += 100.0
        settled.reconcile()
    settled.start()
    settled.reconcile()

    assert settled.logins.attempts == ["v1"]


def test_a_login_is_not_tried_where_the_spec_does_not_want_it(world: World) -> None:
    live = world.cluster.find("CartService", "backend")
    live["spec"]["database"]["credentials"]["checkLogin"] = False
    world.set("CartService", "backend", spec=live["spec"])
    world.logins.answer = Login(refusal="28P01")

    world.reconcile()

    assert world.logins.attempts == []
    assert "create Secret backend-db" in world.cluster.writes


def test_a_deleted_secret_at_aws_keeps_the_last_good_one(settled: World) -> None:
    settled.schedule.error = errors.SecretError(Reason.SECRET_NOT_FOUND, "no such secret")

    settled.reconcile()

    assert settled.cluster.writes == ["status CartService backend"]
    assert settled.condition("SecretSynced") == "False"


def test_a_secret_edited_by_hand_is_not_taken_for_good_after_a_restart(settled: World) -> None:
    live = settled.cluster.find("Secret", "backend-db")
    fields = live["metadata"]["managedFields"][0]["fieldsV1"]
    # What the API server does when somebody else changes a field.
    del fields["f:data"]["f:DB_PASSWORD"]
    settled.set("Secret", "backend-db", data={**live["data"], "DB_PASSWORD": "bm9uZQ=="})
    settled.start()

    settled.reconcile()
    settled.reconcile()

    assert settled.cluster.writes == ["apply Secret backend-db"]


def test_a_rotation_while_suspended_is_told_as_one_to_come(settled: World) -> None:
    settled.suspend()
    settled.reconcile()
    settled.schedule.version, settled.schedule.fields = "v2", {"username": "u", "password": "p"}

    settled.clock.seconds += 20.0
    news = settled.reconcile().news

    status = settled.cluster.find("CartService", "backend")["status"]
    assert status["database"]["secretVersionId"] == "v1"
    told = {one["type"]: (one["status"], one["reason"]) for one in status["conditions"]}
    assert told["Ready"] == told["SecretSynced"] == ("Unknown", "Suspended")
    assert status["conditions"][0]["message"].startswith("The spec, the credentials or a child")
    assert not news
    assert not [one for one in settled.cluster.writes if not one.startswith("status")]

    settled.suspend(is_wanted=False)
    settled.settle()
    status = settled.cluster.find("CartService", "backend")["status"]
    assert status["database"]["secretVersionId"] == "v2"


def test_a_version_that_could_not_be_written_is_not_told_as_used(settled: World) -> None:
    settled.cluster.refuses = {"apply Secret backend-db"}
    settled.cluster.refusal = errors.Forbidden("cannot patch secrets")
    settled.schedule.version, settled.schedule.fields = "v2", {"username": "u", "password": "p"}

    outcome = settled.reconcile()

    status = settled.cluster.find("CartService", "backend")["status"]
    assert status["database"]["secretVersionId"] == "v1"
    assert [one.reason for one in outcome.news] == ["Forbidden"]
