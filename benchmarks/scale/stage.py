"""A cluster of its own for each measurement: control plane, played nodes, AWS.

A fresh one is up in ten seconds, forgets faster than two thousand resources are deleted, and
leaves nothing of one measurement to the next.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.scale import api
from benchmarks.scale.api import Api
from benchmarks.scale.options import Options
from carthub_dev.audit import Event
from carthub_dev.aws import AwsServer
from carthub_dev.control_plane import ControlPlane
from carthub_dev.kubernetes_flags import ControlPlaneOptions
from carthub_dev.kwok import PlayedNodes
from carthub_dev.ledger import Ledger

# The operator's allow-list grants it; see carthub_dev.operator_process.
SECRET_ID = "test/shared"  # noqa: S105 - a name


@dataclass(frozen=True)
class Stage:
    """Where a measurement takes place."""

    plane: ControlPlane
    aws: AwsServer
    api: Api
    ledger: Ledger
    options: Options

    def requests(self, user: str, since: int) -> list[Event]:
        """Return what a user has asked since a mark of the audit log."""
        return [one for one in self.plane.audit_events(since) if one.user == user]

    def make_namespace(self, name: str) -> None:
        """Make a namespace."""
        self.api.create("/api/v1/namespaces", {"metadata": {"name": name}})

    def put_secret(self, secret_id: str) -> None:
        """Make a secret at AWS, complete as RDS makes it."""
        self.aws.put_secret(
            secret_id,
            {
                "username": "carthub",
                "password": "benchmark",
                "host": "db.example.com",
                "port": 5432,
                "dbname": "carthub",
            },
        )


@contextlib.contextmanager
def stage(ledger: Ledger, options: Options) -> Iterator[Stage]:
    """Lend an empty stage."""
    chosen = ControlPlaneOptions(
        has_scheduler=True, controller_manager_flags=options.controller_manager_flags
    )
    with contextlib.ExitStack() as stack:
        plane = stack.enter_context(ControlPlane(ledger, chosen))
        stack.enter_context(PlayedNodes(ledger, plane, options.nodes))
        aws = stack.enter_context(AwsServer(ledger))
        admin = stack.enter_context(api.opened(plane.kubeconfig, threads=options.creators + 2))
        made = Stage(plane, aws, admin, ledger, options)
        made.put_secret(SECRET_ID)
        yield made
