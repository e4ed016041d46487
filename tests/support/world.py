"""A cluster in memory, AWS, and an operator in it that makes one pass after the other."""

from typing import Any

from carthub_operator import credential_values, errors
from carthub_operator.allow_list import AllowList
from carthub_operator.api.resource import Key
from carthub_operator.credentials import CredentialSources
from carthub_operator.reconcile import Outcome, Reconciler
from carthub_operator.runtime.known_kinds import KnownKinds
from tests.support.fakes import FakeClock, FakeCluster, FakeLogins, FakeSchedule, synced
from tests.support.resources import UID, raw_cart_service

KEY = Key("shopping-cart", "backend")
_COMPLETE = {"conditions": [{"type": "Complete", "status": "True"}]}
SERVING = {
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
        self.is_behind = False
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
            is_behind=lambda: self.is_behind,
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
            if place[0] == "Deployment" and live.get("status") != SERVING:
                self.set("Deployment", place[2], status=SERVING)

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
