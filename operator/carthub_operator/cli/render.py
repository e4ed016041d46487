"""`carthub render`: the children of a CartService, without a cluster, for reviews and diffs."""

import dataclasses
import json
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Any

import typer
import yaml

from carthub_operator.api import names
from carthub_operator.api.resource import parse
from carthub_operator.cli import files, options
from carthub_operator.desired.children import plan
from carthub_operator.desired.facts import (
    DEFAULT_DATABASE,
    DEFAULT_PORT,
    DatabaseCredentials,
    Facts,
    Manifest,
    MigrationState,
)
from carthub_operator.desired.replicas import replicas

# Known to the cluster alone.
_UNKNOWN = "unknown"


class ManifestFormat(StrEnum):
    """How manifests are printed."""

    YAML = "yaml"
    JSON = "json"


def render(
    file: options.File,
    *,
    service_monitors: Annotated[
        bool,
        typer.Option(
            "--service-monitors",
            help="Print ServiceMonitors too, as for a cluster that knows them.",
        ),
    ] = False,
    output: Annotated[
        ManifestFormat, typer.Option("--output", "-o", help="How to print it.")
    ] = ManifestFormat.YAML,
) -> None:
    """Print what the operator would make of the CartServices of a file; no cluster is needed.

    Left out is what only a cluster knows: the Secret, owner references and the owner's uid. Where
    the secret names the host, the name of the migration Job and the annotation carthub.io/database
    differ. Without --service-monitors the ServiceMonitor is left out too, which the operator makes
    where the Prometheus operator has brought that kind, unless spec.monitoring says never.
    """
    manifests = [
        child
        for raw in files.cart_services(file)
        for child in _children(raw, serves_service_monitors=service_monitors)
    ]
    if output is ManifestFormat.JSON:
        listed = {"apiVersion": "v1", "kind": "List", "items": manifests}
        typer.echo(json.dumps(listed, indent=2))
    else:
        typer.echo(yaml.safe_dump_all(manifests, sort_keys=False, width=100), nl=False)


def _children(raw: Manifest, *, serves_service_monitors: bool) -> Sequence[Manifest]:
    metadata = {"namespace": files.PLACEHOLDER_NAMESPACE, **(raw.get("metadata") or {})}
    resource = parse({**raw, "metadata": metadata})
    database = resource.spec.database
    credentials = DatabaseCredentials(
        username=_UNKNOWN,
        password=_UNKNOWN,
        host=database.host or _UNKNOWN,
        port=database.port or DEFAULT_PORT,
        database=database.name or DEFAULT_DATABASE,
        version_id=_UNKNOWN,
        changed_at=_UNKNOWN,
        origin=_UNKNOWN,
    )
    facts = Facts(
        credentials, MigrationState.SUCCEEDED, serves_service_monitors=serves_service_monitors
    )
    migrated = plan(resource, facts)
    before = plan(resource, dataclasses.replace(facts, migration=MigrationState.NOT_STARTED))
    made = [*before.create, *(one for one in migrated.apply if one["kind"] != "Secret")]
    count = replicas(resource, exists=False)
    if count is not None:
        made = [_with_replicas(one, count) for one in made]
    return [_offline(one) for one in made]


def _with_replicas(manifest: Manifest, count: Manifest) -> Manifest:
    if manifest["kind"] != count["kind"]:
        return manifest
    return {**manifest, "spec": {**count["spec"], **manifest["spec"]}}


def _offline(value: Any) -> Any:  # noqa: ANN401 - JSON
    """Return a manifest without what names its owner, pod templates included."""
    if isinstance(value, dict):
        return {
            key: _offline(one)
            for key, one in value.items()
            if key not in {"ownerReferences", names.LABEL_OWNER_UID}
        }
    return [_offline(one) for one in value] if isinstance(value, list) else value
