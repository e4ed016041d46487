"""What stands behind a CartService and what is wrong with it: pure, from what was read."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from carthub_operator import rollout
from carthub_operator.api import names
from carthub_operator.api.conditions import Reason, Type
from carthub_operator.cli import advice
from carthub_operator.cli.verdict import Verdict, conditions, is_observed, verdict
from carthub_operator.desired.children import ChildKey

Object = Mapping[str, Any]

# An operator that is there looks within a second; a cluster under load may take a while.
_UNSEEN_SECONDS = 30.0
_UNREADABLE = "may be there: you have no right to read it"


@dataclass(frozen=True)
class Seen:
    """What was read of a cluster; `unreadable` are children that the caller may not read."""

    resource: Object
    children: Sequence[Object] = ()
    pods: Sequence[Object] = ()
    events: Sequence[Object] = ()
    unreadable: Sequence[ChildKey] = ()


@dataclass(frozen=True)
class Part:
    """One object below the CartService: is it well (None: cannot be told), and how it is."""

    kind: str
    name: str
    is_well: bool | None
    state: str


@dataclass(frozen=True)
class Finding:
    """Something that is not as it should be, and what to do about it."""

    what: str
    what_to_do: str


@dataclass(frozen=True)
class Report:
    """All that `carthub status` tells."""

    name: str
    namespace: str
    verdict: Verdict
    image: str
    url: str
    secret: Mapping[str, str]
    conditions: Sequence[Object]
    children: Sequence[Part]
    pods: Sequence[Part]
    last_event: str
    findings: Sequence[Finding] = field(default_factory=tuple)
    # What works, and may still not be what somebody wants.
    warnings: Sequence[str] = field(default_factory=tuple)


def report(seen: Seen, *, now: dt.datetime) -> Report:
    """Return how a CartService stands."""
    raw = seen.resource
    status = raw.get("status") or {}
    return Report(
        name=raw["metadata"]["name"],
        namespace=raw["metadata"]["namespace"],
        verdict=verdict(raw),
        image=raw["spec"]["image"],
        url=status.get("url", ""),
        secret=_secret(raw),
        conditions=tuple(conditions(raw).values()),
        children=(
            *(_child(one) for one in seen.children),
            *(Part(one.kind, one.name, None, _UNREADABLE) for one in seen.unreadable),
        ),
        pods=tuple(_pod(one) for one in seen.pods),
        last_event=_last_event(seen.events),
        findings=tuple(_findings(seen, now)),
        warnings=tuple(str(one["message"]) for one in status.get("warnings") or ()),
    )


def _secret(raw: Object) -> dict[str, str]:
    told = (raw.get("status") or {}).get("database") or {}
    return {
        "source": _source(raw),
        "version": told.get("secretVersionId", ""),
        "changedAt": told.get("secretChangedAt", ""),
    }


def _source(raw: Object) -> str:
    sources = raw["spec"]["database"]["credentials"]
    if "secretsManager" in sources:
        source = sources["secretsManager"]
        where = f" in {source['region']}" if "region" in source else ""
        return f"AWS secret {source['secretId']}{where}"
    return f"Secret {sources['existingSecret']['name']}"


def _findings(seen: Seen, now: dt.datetime) -> list[Finding]:
    raw = seen.resource
    values = {
        "name": raw["metadata"]["name"],
        "namespace": raw["metadata"]["namespace"],
        "secret": _source(raw),
        "deployment": names.deployment(raw["metadata"]["name"]),
    }
    found = verdict(raw)
    if "deletionTimestamp" in raw["metadata"]:
        return [Finding("It is being deleted.", advice.filled(advice.DELETING, **values))]
    told = conditions(raw)
    if Type.SUSPENDED in told:
        message = str(told[Type.SUSPENDED]["message"])
        return [Finding(message, advice.advice(Reason.SUSPENDED, **values))]
    if not is_observed(raw) or not told:
        return [_unseen(raw, now, values)]
    findings = []
    if not found.is_ready:
        findings.append(Finding(found.message, _what_to_do(seen, found, values)))
    for kind in (Type.SECRET_SYNCED, Type.AUTOSCALING_READY):
        one = told.get(kind, {})
        if one.get("status") == "False" and one["message"] != found.message:
            what_to_do = advice.advice(str(one["reason"]), **values)
            findings.append(Finding(str(one["message"]), what_to_do))
    return findings


def _unseen(raw: Object, now: dt.datetime, values: Mapping[str, str]) -> Finding:
    generation = raw["metadata"]["generation"]
    waited = (now - _changed_at(raw)).total_seconds()
    what = f"The operator has not looked at generation {generation} yet"
    if waited < _UNSEEN_SECONDS:
        return Finding(f"{what}.", advice.advice(Reason.PROGRESSING, **values))
    return Finding(
        f"{what}, which was written {age(waited)} ago.", advice.filled(advice.NO_OPERATOR, **values)
    )


def _changed_at(raw: Object) -> dt.datetime:
    """Return when somebody last changed the spec, as far as the API server remembers."""
    metadata = raw["metadata"]
    times = [
        entry["time"]
        for entry in metadata.get("managedFields") or ()
        if "time" in entry and not entry.get("subresource")
    ]
    return parse_time(max(times, default=metadata["creationTimestamp"]))


def _what_to_do(seen: Seen, found: Verdict, values: Mapping[str, str]) -> str:
    deployment = next((one for one in seen.children if one["kind"] == "Deployment"), None)
    if deployment is not None and found.reason in {
        Reason.ROLLING_OUT,
        Reason.ROLLOUT_FAILED,
        Reason.UNAVAILABLE,
    }:
        why = rollout.hindrance(deployment, seen.pods) or ""
        if "cannot be scheduled" in why:
            return advice.UNSCHEDULABLE
        if "cannot be created" in why:
            return advice.filled(advice.NO_PODS, **values)
    return advice.advice(found.reason, **values)


def _child(live: Object) -> Part:
    kind, name = live["kind"], live["metadata"]["name"]
    return Part(kind, name, *_CHILD_STATES.get(kind, _exists)(live))


def _exists(_live: Object) -> tuple[bool | None, str]:
    return True, "exists"


def _deployment(live: Object) -> tuple[bool | None, str]:
    serving, wanted = rollout.available(live), rollout.wanted(live)
    image = live["spec"]["template"]["spec"]["containers"][0]["image"]
    return rollout.is_rolled_out(live), f"{serving} of {wanted} serving, {image}"


def _autoscaler(live: Object) -> tuple[bool | None, str]:
    spec, status = live["spec"], live.get("status") or {}
    active = rollout.condition(live, "ScalingActive").get("status")
    wanted = status.get("desiredReplicas", 0)
    state = f"{spec['minReplicas']} to {spec['maxReplicas']}, wants {wanted}"
    return {"True": True, "False": False}.get(active or ""), state


def _job(live: Object) -> tuple[bool | None, str]:
    if rollout.condition(live, "Complete").get("status") == "True":
        return True, "complete"
    failed = rollout.condition(live, "Failed")
    if failed.get("status") == "True":
        return False, f"failed: {failed.get('message', 'see its log')}"
    return None, "running"


_CHILD_STATES = {
    "Deployment": _deployment,
    "HorizontalPodAutoscaler": _autoscaler,
    "Job": _job,
}


def _pod(live: Object) -> Part:
    status = live.get("status") or {}
    ready = rollout.condition(live, "Ready").get("status") == "True"
    containers = status.get("containerStatuses") or ()
    restarts = sum(one.get("restartCount", 0) for one in containers)
    waiting = [one["state"]["waiting"].get("reason", "") for one in containers if _waits(one)]
    state = ", ".join(waiting) or status.get("phase", "Unknown")
    node = live["spec"].get("nodeName", "no node")
    times = "" if restarts == 0 else f", restarted {restarts} times"
    is_well = None if status.get("phase") == "Succeeded" else ready
    return Part("Pod", live["metadata"]["name"], is_well, f"{state} on {node}{times}")


def _waits(container: Object) -> bool:
    return "waiting" in (container.get("state") or {})


def _last_event(events: Sequence[Object]) -> str:
    last = max(events, key=lambda one: str(one.get("eventTime") or ""), default=None)
    if last is None:
        return ""
    return f"{last.get('eventTime', '')} {last.get('reason', '')}: {last.get('note', '')}"


def parse_time(text: str) -> dt.datetime:
    """Return a time of the API server."""
    return dt.datetime.fromisoformat(text)


def age(seconds: float) -> str:
    """Return an age as `kubectl get` shows it: 42s, 7m, 5h, 3d."""
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= 2 * size:
            return f"{int(seconds // size)}{unit}"
    return f"{int(seconds)}s"
