"""One pass after the other, with a cluster in memory: what is written, and what survives."""

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from carthub_operator import credential_values, errors
from carthub_operator.allow_list import AllowList
from carthub_operator.api import names
from carthub_operator.api.conditions import Reason
from carthub_operator.api.resource import Key
from carthub_operator.contracts import Login
from carthub_operator.credentials import CredentialSources
from carthub_operator.reconcile import Outcome, Reconciler
from carthub_operator.runtime.known_kinds import KnownKinds
from tests.support.fakes import FakeClock, FakeCluster, FakeLogins, FakeSchedule, synced
from tests.support.resources import IMAGE, SECRET_ID, UID, raw_cart_service

KEY = Key("shopping-cart", "backend")
_COMPLETE = {"conditions": [{"type": "Complete", "status": "True"}]}
_SERVING = {
    "observedGeneration": 1,
    "replicas": 2,
    "updatedReplicas": 2,
    "readyReplicas": 2,
    "availableReplicas": 2,
    "conditions": [
        {"type": "Available", "status": "True"},
        {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"},
    ],
}


class World:
    """A cluster, AWS, and an operator that can be restarted."""

    def __init__(self) -> None:
        self.cluster, self.schedule, self.clock = FakeCluster(), FakeSchedule(), FakeClock()
        self.logins = FakeLogins()
        self.served: set[str] = set()
        self.known_kinds = KnownKinds(lambda kind: kind.name in self.served, on_change=lambda: None)
        raw = raw_cart_service()
        raw["metadata"] |= {"uid": UID, "generation": 1}
        raw["status"] = {"observedGeneration": -1}
        self.cluster.add(raw)
        self.start()

    def start(self) -> None:
        self.cache = synced(self.cluster)
        credentials = CredentialSources(
            self.cluster,
            self.schedule,
            logins=self.logins,
            allowed_secrets=AllowList(None),
            allowed_roles=AllowList({}),
            default_region=None,
            clock=self.clock,
        )
        self.reconciler = Reconciler(
            self.cluster,
            self.cache,
            credentials,
            known_kinds=self.known_kinds,
            clock=self.clock,
            jitter=lambda: 0.5,
        )

    def reconcile(self) -> Outcome:
        return self.reconciler.reconcile(KEY)

    def serve(self, kind: str) -> None:
        """Let the cluster know one more kind."""
        self.served.add(kind)
        self.known_kinds.look()

    def set(self, kind: str, name: str, **parts: Any) -> None:
        """Change parts of an object as a controller or a user does, and let the watch tell."""
        live = self.cluster.find(kind, name)
        self.cache.put(self.cluster.add({**live, **parts}))

    def change_database(self, **fields: Any) -> None:
        """Change fields of `spec.database`, as a user does."""
        live = self.cluster.find("CartService", "backend")
        live["metadata"]["generation"] += 1
        live["spec"]["database"].update(fields)
        self.cache.put(self.cluster.add(live))

    def suspend(self, *, is_wanted: bool = True) -> None:
        """Set `spec.suspend`, as a user does."""
        live = self.cluster.find("CartService", "backend")
        live["metadata"]["generation"] += 1
        live["spec"]["suspend"] = is_wanted
        self.cache.put(self.cluster.add(live))

    def secret(self) -> dict[str, str]:
        """Return what our own Secret holds."""
        return credential_values.decoded(self.cluster.find("Secret", "backend-db"))

    def template(self) -> dict[str, Any]:
        """Return the template of the API's pods."""
        live = self.cluster.find("Deployment", "backend-deployment")
        template: dict[str, Any] = live["spec"]["template"]
        return template

    def play(self) -> None:
        """Let Jobs succeed and Deployments serve."""
        for place, live in list(self.cluster.objects.items()):
            if place[0] == "Job" and "status" not in live:
                self.set("Job", place[2], status=_COMPLETE)
            if place[0] == "Deployment" and live.get("status") != _SERVING:
                self.set("Deployment", place[2], status=_SERVING)

    def settle(self) -> None:
        """Make passes until none writes any more."""
        for _ in range(30):
            before = len(self.cluster.writes)
            self.clock.seconds += 2.0
            try:
                self.reconcile()
            except errors.CarthubError:
                continue
            self.play()
            if len(self.cluster.writes) == before and self.condition("Ready") == "True":
                return
        raise AssertionError(f"does not settle: {self.cluster.requests[-20:]}")

    def condition(self, kind: str) -> str:
        live = self.cluster.find("CartService", "backend")
        told = {one["type"]: one["status"] for one in live["status"].get("conditions", ())}
        return str(told.get(kind, ""))


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def settled(world: World) -> World:
    world.settle()
    world.cluster.requests.clear()
    return world


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
        "Deployment", "backend-deployment", status={**_SERVING, "replicas": 3, "updatedReplicas": 3}
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
    broken = {**_SERVING, "readyReplicas": 0, "availableReplicas": 0}
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


def test_what_the_spec_no_longer_wants_is_removed(settled: World) -> None:
    live = settled.cluster.find("CartService", "backend")
    live["metadata"]["generation"] = 2
    settled.set("CartService", "backend", spec={**live["spec"], "autoscaling": {"enabled": False}})

    settled.reconcile()

    assert "delete HorizontalPodAutoscaler backend-hpa" in settled.cluster.writes


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


def test_nothing_is_done_to_a_resource_that_is_being_deleted(settled: World) -> None:
    live = settled.cluster.find("CartService", "backend")
    live["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    settled.set("CartService", "backend")
    settled.cache.discard(settled.cluster.find("Service", "backend-service"))

    settled.reconcile()

    assert settled.cluster.requests == []


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
                        "batch.kubernetes.io/job-name": job,
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


def test_a_gone_resource_is_forgotten(settled: World) -> None:
    settled.cache.discard(settled.cluster.find("CartService", "backend"))

    settled.reconcile()

    assert settled.schedule.forgotten[-1] == KEY


def test_one_made_anew_under_the_same_name_starts_from_nothing(settled: World) -> None:
    raw = raw_cart_service()
    raw["metadata"] |= {"uid": "another", "generation": 1}
    raw["status"] = {"observedGeneration": -1}
    settled.cluster.objects = {}
    settled.cache.put(settled.cluster.add(raw))

    settled.reconcile()

    assert settled.cluster.writes[0] == "create ServiceAccount backend"


def test_a_spec_that_cannot_be_read_is_told(settled: World) -> None:
    live = settled.cluster.find("CartService", "backend")
    settled.set("CartService", "backend", spec={**live["spec"], "replicas": "many"})

    outcome = settled.reconcile()

    assert settled.condition("Stalled") == "True"
    assert [one.reason for one in outcome.news] == ["InvalidSpec"]


def _always(error: errors.CarthubError) -> Callable[[int], None]:
    def fails(_: int) -> None:
        raise error

    return fails


def _fail_at(number: int) -> Callable[[int], None]:
    def fails(request: int) -> None:
        if request == number:
            raise errors.ClusterUnavailable("it does not answer")

    return fails


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
