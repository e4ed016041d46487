"""What tests of the whole operator have in common: values, and readings of the audit log."""

import time

from carthub_dev import operator_process
from carthub_dev.audit import Event
from carthub_dev.aws import REGION
from carthub_dev.control_plane import ControlPlane
from carthub_dev.operator_process import OperatorProcess
from tests.support.resources import database

PASSWORD = "canary-P@ss/w:rd%-7719"
# The least that the API admits; passes come at 0.9 to 1.1 of it.
INTERVAL = "10s"
OTHER_IMAGE = "registry.example.com/carthub-service:1.5.0"


def aws_database(
    secret_id: str, *, interval: str = INTERVAL, role_arn: str | None = None, **changed: object
) -> dict[str, object]:
    """Return a spec.database with its credentials at AWS."""
    source = {"secretId": secret_id, "region": REGION, "refreshInterval": interval}
    if role_arn is not None:
        source["roleArn"] = role_arn
    return database(credentials={"secretsManager": source}, **changed)


def settle(operator: OperatorProcess) -> None:
    """Wait until no pass has been made, is under way or is due for a while."""
    before, since = operator.passes(), time.monotonic()
    while time.monotonic() - since < 1.0:
        time.sleep(0.1)
        now, oldest_seconds = operator.passes(), operator.metric("carthub_queue_oldest_seconds")
        if now != before or oldest_seconds > 0:
            before, since = now, time.monotonic()


def requests(plane: ControlPlane, since: int, namespace: str | None = None) -> list[Event]:
    """Return what the operator has asked since a mark of the audit log."""
    return [
        event
        for event in plane.audit_events(since)
        if event.user == operator_process.USER and namespace in {None, event.namespace}
    ]


def writes(plane: ControlPlane, since: int, namespace: str) -> list[Event]:
    """Return what it has written."""
    return [event for event in requests(plane, since, namespace) if event.is_write]
