"""A CartService, its operator, and a proxy between the operator and the API server."""

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from carthub_dev import operator_process
from carthub_dev.api_proxy import ApiProxy
from carthub_dev.audit import Event
from carthub_dev.aws import AwsServer
from carthub_dev.control_plane import ControlPlane
from carthub_dev.ledger import Ledger
from carthub_dev.operator_process import OperatorProcess
from carthub_operator.api import names
from tests.support.live_cart import CHILDREN, LiveCart, Object, live_cart
from tests.support.live_operator import aws_database, writes


class Stage:
    """What a fault test acts on; the operator watches the stage's namespace alone."""

    def __init__(
        self,
        plane: ControlPlane,
        ledger: Ledger,
        aws: AwsServer,
        *,
        proxy: ApiProxy,
        kubeconfig: Path,
        cart: LiveCart,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.plane, self.aws, self.proxy, self.cart = plane, aws, proxy, cart
        self.secret_id = f"test/{cart.namespace}"
        self.password = 0
        self._ledger = ledger
        self._settings = settings or {}
        self._kubeconfig = proxy.kubeconfig(kubeconfig)
        self.operator = self.new_operator()
        aws.put_secret(self.secret_id, self._value())

    def new_operator(self) -> OperatorProcess:
        """Return another operator process, not started yet."""
        return OperatorProcess(
            self.plane,
            self._ledger,
            kubeconfig=self._kubeconfig,
            aws=self.aws,
            settings={"CARTHUB_NAMESPACES": self.cart.namespace, **self._settings},
        )

    def restart(self) -> None:
        """Let another operator take the place of the one that is dead."""
        self.operator.stop()
        self.operator = self.new_operator()
        self.operator.start()

    def apply(self, **spec: object) -> Object:
        """Apply the CartService with a secret of its own, and return it as it is then."""
        return self.cart.apply(database=aws_database(self.secret_id), **spec)

    def rotate(self) -> None:
        """Put another password into the secret, and have it read at once."""
        self.password += 1
        self.aws.rotate(self.secret_id, self._value())
        self.sync()

    def sync(self) -> None:
        """Have the operator read the secret at once."""
        mark = f"{time.monotonic_ns()}"
        change = {"metadata": {"annotations": {names.ANNOTATION_SYNC: mark}}}
        self.cart.patch("CartService", "backend", change)

    def has_rotated(self) -> bool:
        """Tell whether the last password is in the Secret and its pods are rolled."""
        if self.cart.condition("Ready").get("status") != "True":
            return False
        deployment = self.cart.get("Deployment", CHILDREN["Deployment"])
        if deployment is None or self.cart.get("Secret", CHILDREN["Secret"]) is None:
            return False
        version = self.cart.resource()["status"]["database"]["secretVersionId"]
        rolled = deployment["spec"]["template"]["metadata"]["annotations"]
        return (
            self.cart.secret()["DB_PASSWORD"] == self._value()["password"]
            and rolled[names.ANNOTATION_SECRET_VERSION] == version
        )

    def operator_writes(self, since: int) -> list[Event]:
        """Return what the operator wrote in its namespace since a mark of the audit log."""
        return writes(self.plane, since, self.cart.namespace)

    def _value(self) -> dict[str, str]:
        return {"username": "carthub_blue", "password": f"canary-{self.password}"}


@contextmanager
def fault_stage(
    plane: ControlPlane,
    ledger: Ledger,
    aws: AwsServer,
    *,
    has_rights_elsewhere: bool = True,
    settings: Mapping[str, str] | None = None,
) -> Iterator[Stage]:
    """Yield a stage with a running operator and no CartService yet."""
    with ExitStack() as stack:
        proxy = stack.enter_context(ApiProxy(plane))
        cart = stack.enter_context(live_cart(plane))
        stage = Stage(
            plane,
            ledger,
            aws,
            proxy=proxy,
            kubeconfig=operator_process.install(
                plane, namespace="" if has_rights_elsewhere else cart.namespace
            ),
            cart=cart,
            settings=settings,
        )
        stack.callback(lambda: stage.operator.stop())  # noqa: PLW0108 - whichever it has then
        stage.operator.start()
        yield stage
