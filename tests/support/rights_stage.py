"""What makes the operator use each of its rights, on a CartService that has every child.

Each step says when it is carried out, so that a test with and one without the right can use it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from carthub_dev import operator_process
from carthub_dev.aws import AwsServer
from carthub_dev.control_plane import ControlPlane
from carthub_dev.ledger import Ledger
from carthub_operator import kinds
from carthub_operator.api import names
from tests.support.cluster import Cluster
from tests.support.fault_stage import Stage, fault_stage
from tests.support.live_cart import CHILDREN, Object, waiting
from tests.support.live_operator import aws_database
from tests.support.monitors import DEFINITION
from tests.support.resources import IMAGE
from tests.support.rights import Roles

# By the plural that roles name; Secrets are not watched, and Jobs are never applied twice.
WATCHED = {
    kinds.BY_NAME[kind].plural: (kind, name)
    for kind, name in {
        **CHILDREN,
        "Ingress": "backend-ingress",
        "ServiceMonitor": "backend",
    }.items()
    if kind != "Secret"
}
# What makes the operator delete a child, and what makes it want it again.
SWITCHES: dict[str, tuple[Object, Object]] = {
    "ingresses": ({"ingress": {"enabled": False}}, {"ingress": {"enabled": True}}),
    "horizontalpodautoscalers": (
        {"autoscaling": {"enabled": False}},
        {"autoscaling": {"enabled": True}},
    ),
    "poddisruptionbudgets": (
        {"podDisruptionBudget": {"enabled": False}},
        {"podDisruptionBudget": {"enabled": True}},
    ),
    "servicemonitors": (
        {"monitoring": {"serviceMonitor": "never"}},
        {"monitoring": {"serviceMonitor": "auto"}},
    ),
}
_SETTINGS = {
    # With a login to try, the certificates of the database are read.
    "CARTHUB_CHECK_LOGINS": "true",
    "CARTHUB_LEASE_NAMESPACE": operator_process.NAMESPACE,
    "CARTHUB_RESYNC_SECONDS": "5",
}


class RightsStage:
    """An operator with rights in one namespace, and steps that make it use them."""

    def __init__(self, stage: Stage, roles: Roles) -> None:
        self.stage, self.cart, self.operator = stage, stage.cart, stage.operator
        self.roles = roles
        self._cluster = Cluster(stage.plane.kubeconfig)
        self._images = 0

    def apply(self) -> None:
        """Apply a CartService that wants every child there is; nobody is at its database."""
        self.cart.create(
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": "ca"},
                "data": {"ca.pem": "none"},
            }
        )
        authority = {"configMap": {"name": "ca", "key": "ca.pem"}}
        database = aws_database(self.stage.secret_id, host="127.0.0.1", port=1, ca=authority)
        self.cart.apply(database=database, ingress={"enabled": True})

    def edit(self, plural: str) -> Callable[[], bool]:
        """Edit a child by hand; done once it is set back."""
        kind, name = WATCHED[plural]
        label = "app.kubernetes.io/part-of"
        before = self._labels(kind, name)[label]
        self.cart.patch(kind, name, {"metadata": {"labels": {label: "edited"}}})
        return lambda: self._labels(kind, name).get(label) == before

    def unmark(self, plural: str) -> Callable[[], bool]:
        """Take the label of ours off a child, so that it is out of sight; done once it is back."""
        kind, name = WATCHED[plural]
        label = names.LABEL_OWNER_UID
        self.cart.patch(kind, name, {"metadata": {"labels": {label: None}}})
        return lambda: label in self._labels(kind, name)

    def delete(self, plural: str) -> Callable[[], bool]:
        """Delete a child by hand; done once there is another."""
        kind, name = WATCHED[plural]
        before = self._uid(kind, name)
        self.cart.delete(kind, name)
        return lambda: self._uid(kind, name) not in {"", before}

    def switch_off(self, plural: str) -> Callable[[], bool]:
        """Want a child no longer; done once it is gone."""
        kind, name = WATCHED[plural]
        self.patch_spec(SWITCHES[plural][0])
        return lambda: self.cart.get(kind, name) is None

    def switch_on(self, plural: str) -> Callable[[], bool]:
        """Want it again; done once it is there."""
        kind, name = WATCHED[plural]
        self.patch_spec(SWITCHES[plural][1])
        return lambda: self.cart.get(kind, name) is not None

    def roll_out(self) -> Callable[[], bool]:
        """Change the image; done once its migration has been the last and it serves."""
        self._images += 1
        image = f"{IMAGE}-{self._images}"
        self.patch_spec({"image": image})

        def is_done() -> bool:
            template = self.cart.child("Deployment")["spec"]["template"]["spec"]
            is_new = template["containers"][0]["image"] == image
            return is_new and len(self.cart.items("Job")) == 1

        return is_done

    def unmark_job(self) -> Callable[[], bool]:
        """Take the label off the Job of a migration under way; done once it has been read."""
        self.cart.migration_status = lambda pod: waiting(pod, "ContainerCreating")
        self._images += 1
        self.patch_spec({"image": f"{IMAGE}-{self._images}"})
        before = {job["metadata"]["name"] for job in self.cart.items("Job")}

        def new() -> list[str]:
            return [
                job["metadata"]["name"]
                for job in self.cart.items("Job")
                if job["metadata"]["name"] not in before
            ]

        (name,) = self.cart.eventually(new, what="the Job of the new image")
        mark = self.stage.plane.audit_mark()
        label = names.LABEL_OWNER_UID
        self.cart.patch("Job", name, {"metadata": {"labels": {label: None}}})

        def is_done() -> bool:
            is_read = any(
                one.resource == "jobs" and one.verb == "get" and one.code == 200
                for one in self.stage.plane.audit_events(mark)
                if one.user == operator_process.USER
            )
            if is_read:
                # It goes on as it would have without the hand that took it.
                uid = self.cart.resource()["metadata"]["uid"]
                self.cart.patch("Job", name, {"metadata": {"labels": {label: uid}}})
                self.cart.migration_status = None
            return is_read

        return is_done

    def rotate(self) -> Callable[[], bool]:
        """Change the password; done once the pods have it."""
        self.stage.rotate()
        return self.stage.has_rotated

    def delete_secret(self) -> Callable[[], bool]:
        """Delete the Secret of ours; done once there is another."""
        self.cart.delete("Secret", CHILDREN["Secret"])
        return lambda: self.cart.get("Secret", CHILDREN["Secret"]) is not None

    def touch_lease(self) -> None:
        """Change the Lease by hand: the operator has to read it before it renews it."""
        self._lease("annotate", "--overwrite", f"touched=at-{self.stage.plane.audit_mark()}")

    def delete_lease(self) -> None:
        """Delete the Lease: the operator has to make it again."""
        self._lease("delete")

    def has_lease(self) -> bool:
        """Tell whether there is a Lease."""
        name, namespace = names.FIELD_MANAGER, operator_process.NAMESPACE
        return self._cluster.get("lease", name, namespace) is not None

    def leads(self) -> bool:
        """Tell whether the operator surely holds its Lease."""
        return self.operator.metric("carthub_leader") == 1

    def patch_spec(self, change: Object) -> None:
        """Change the CartService as with `kubectl edit`."""
        self.cart.patch("CartService", "backend", {"spec": change})

    def wait(self, is_done: Callable[[], bool], what: str) -> None:
        """Wait until a step is carried out and the CartService is Ready."""
        self.cart.eventually(is_done, what=what)
        self.cart.wait_ready()

    def _lease(self, verb: str, *arguments: str) -> None:
        where = ("lease", names.FIELD_MANAGER, "-n", operator_process.NAMESPACE)
        self._cluster.kubectl(verb, *where, *arguments)

    def _labels(self, kind: str, name: str) -> dict[str, str]:
        found = self.cart.get(kind, name) or {"metadata": {}}
        labels: dict[str, str] = found["metadata"].get("labels", {})
        return labels

    def _uid(self, kind: str, name: str) -> str:
        found = self.cart.get(kind, name) or {"metadata": {"uid": ""}}
        return str(found["metadata"]["uid"])


@contextmanager
def rights_stage(plane: ControlPlane, ledger: Ledger, aws: AwsServer) -> Iterator[RightsStage]:
    """Yield a stage whose operator has rights in its namespace alone; ServiceMonitors exist."""
    Cluster(plane.kubeconfig).apply(DEFINITION)
    with fault_stage(plane, ledger, aws, has_rights_elsewhere=False, settings=_SETTINGS) as stage:
        yield RightsStage(stage, Roles(stage.cart.api, stage.cart.namespace))
