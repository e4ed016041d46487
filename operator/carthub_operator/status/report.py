"""The whole status: the verdict, the parts, the figures."""

from collections.abc import Mapping
from typing import Any

from carthub_operator import errors
from carthub_operator.api import names
from carthub_operator.api.conditions import merged
from carthub_operator.api.resource import CartService
from carthub_operator.desired.connections import most_connections
from carthub_operator.desired.service import url
from carthub_operator.status.features import features
from carthub_operator.status.observation import Observation
from carthub_operator.status.verdict import of_problem, suspended, verdict
from carthub_operator.status.warnings import warnings


def status_for(resource: CartService, observation: Observation, *, now: str) -> dict[str, Any]:
    """Return the whole `.status`; equal facts give an equal status, whatever `now` is."""
    previous = resource.status
    generation = resource.generation
    told = features(resource, observation)
    if resource.spec.suspend:
        summary = suspended(resource, observation, told)
        if observation.has_pending_changes:
            generation = previous.get("observedGeneration", -1)
    else:
        summary = verdict(resource, observation, told)
    return {
        "observedGeneration": generation,
        "conditions": merged(
            # The verdict first: it is what `kubectl describe` is read for.
            [*summary, *told],
            previous=previous.get("conditions", ()),
            generation=resource.generation,
            now=now,
        ),
        **_figures(resource, observation),
    }


def status_for_problem(
    generation: int,
    previous: Mapping[str, Any],
    problem: errors.CarthubError,
    *,
    now: str,
) -> dict[str, Any]:
    """Return the status of a resource that cannot be read or looked at; the rest stays."""
    told = of_problem(problem)
    old = list(previous.get("conditions", ()))
    summary = merged(told, previous=old, generation=generation, now=now)
    kept = [condition for condition in old if condition["type"] not in {c.type for c in told}]
    return {**previous, "observedGeneration": generation, "conditions": summary + kept}


def _figures(resource: CartService, seen: Observation) -> dict[str, Any]:
    selector = names.selector_labels(resource.name)
    figures: dict[str, Any] = {
        "selector": ",".join(f"{key}={value}" for key, value in selector.items()),
        "url": url(resource),
        "replicas": 0,
        "readyReplicas": 0,
    }
    if seen.deployment is not None:
        live = seen.deployment.get("status", {})
        figures["replicas"] = live.get("replicas", 0)
        figures["readyReplicas"] = live.get("readyReplicas", 0)
        containers = seen.deployment["spec"]["template"]["spec"]["containers"]
        figures["image"] = containers[0]["image"]
    figures["database"] = _database(resource, seen)
    told = warnings(resource, server_connections=figures["database"].get("serverMaxConnections"))
    if told:
        figures["warnings"] = told
    return figures


def _database(resource: CartService, seen: Observation) -> dict[str, Any]:
    database: dict[str, Any] = {"maxConnections": most_connections(resource)}
    # Asked with new credentials only; after a restart what was told before still holds.
    before = resource.status.get("database", {}).get("serverMaxConnections")
    if server_connections := seen.server_connections or before:
        database["serverMaxConnections"] = server_connections
    if seen.stored is not None:
        database["secretVersionId"] = seen.stored.version_id
        database["secretChangedAt"] = seen.stored.changed_at
    if seen.handled_sync is not None:
        database["lastHandledSync"] = seen.handled_sync
    return database
