"""All children of a CartService, in the order in which they are applied."""

from dataclasses import dataclass

from carthub_operator.api import names
from carthub_operator.api.resource import CartService
from carthub_operator.desired.autoscaler import autoscaler
from carthub_operator.desired.database_secret import database_secret, port_in
from carthub_operator.desired.deployment import deployment
from carthub_operator.desired.disruption_budget import disruption_budget
from carthub_operator.desired.facts import (
    DEFAULT_PORT,
    Facts,
    Manifest,
    MigrationState,
    migration_key,
)
from carthub_operator.desired.ingress import ingress
from carthub_operator.desired.migration_job import migration_job
from carthub_operator.desired.network_policy import network_policy
from carthub_operator.desired.service import service
from carthub_operator.desired.service_account import service_account
from carthub_operator.desired.service_monitor import service_monitor


@dataclass(frozen=True, order=True)
class ChildKey:
    """Which object a child is, within its CartService's namespace."""

    kind: str
    name: str


@dataclass(frozen=True)
class Plan:
    """What to do with the children.

    `apply` in order; `create` only where absent, since a Job's template cannot change; `keep`
    are children that stay as they are, Jobs all of them with `keeps_jobs`. Whatever else is ours
    is removed.
    """

    apply: tuple[Manifest, ...]
    create: tuple[Manifest, ...]
    keep: frozenset[ChildKey]
    keeps_jobs: bool = False

    def wants(self, key: ChildKey) -> bool:
        """Tell whether a child must not be removed."""
        if key in self.keep or (self.keeps_jobs and key.kind == "Job"):
            return True
        return any(key == key_of(manifest) for manifest in (*self.apply, *self.create))


def key_of(manifest: Manifest) -> ChildKey:
    """Return which child a manifest is."""
    return ChildKey(manifest["kind"], manifest["metadata"]["name"])


def plan(resource: CartService, facts: Facts) -> Plan:
    """Return what every child should be; the same facts give the same plan.

    While credentials are unknown or migrations not done, the Deployment stays as it is: the
    old version goes on serving, with the database that it uses.
    """
    credentials = facts.credentials
    port = (credentials.port if credentials else resource.spec.database.port) or DEFAULT_PORT
    migrates = resource.spec.database.migrations.enabled
    is_migrated = not migrates or facts.migration is MigrationState.SUCCEEDED
    in_use = None if is_migrated else facts.in_use
    # Config first: pods that start before it crash-loop once and page someone.
    apply = [
        service_account(resource),
        network_policy(
            resource, database_port=port, port_in_use=port_in(in_use) if in_use else None
        ),
        service(resource),
    ]
    optional = (
        disruption_budget(resource),
        ingress(resource),
        service_monitor(resource, is_served=facts.serves_service_monitors),
    )
    apply += [manifest for manifest in optional if manifest is not None]
    create: list[Manifest] = []
    running = ChildKey("Deployment", names.deployment(resource.name))
    keep: set[ChildKey] = set()
    if credentials is None:
        keep = {running, ChildKey("Secret", names.database_secret(resource.name))}
    else:
        apply.append(
            database_secret(
                resource,
                credentials,
                synced=resource.annotations.get(names.ANNOTATION_SYNC),
                in_use=in_use,
            )
        )
        key = migration_key(resource, credentials)
        if not is_migrated:
            create.append(migration_job(resource, key, is_ahead=in_use is not None))
            keep.add(running)
        else:
            apply.append(deployment(resource, credentials, migrated=key if migrates else None))
            if migrates:
                # Its time to live removes it.
                keep.add(ChildKey("Job", names.migration_job(resource.name, key)))
    if scaler := autoscaler(resource):
        apply.append(scaler)
    # Without credentials nobody knows which database a running Job migrates: leave it to its end.
    return Plan(tuple(apply), tuple(create), frozenset(keep), keeps_jobs=credentials is None)
