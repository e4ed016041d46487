"""Whether a CartService is Ready, as it is declared now: pure, from the resource alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from carthub_operator.api.conditions import Reason, Type


@dataclass(frozen=True)
class Verdict:
    """How it stands; final where waiting would change nothing."""

    is_ready: bool
    is_final: bool
    reason: str
    message: str


def conditions(raw: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the conditions by type."""
    return {one["type"]: one for one in (raw.get("status") or {}).get("conditions") or ()}


def is_observed(raw: Mapping[str, Any]) -> bool:
    """Tell whether the status speaks of the spec as it is now."""
    seen: int = (raw.get("status") or {}).get("observedGeneration", -1)
    return seen >= int(raw["metadata"]["generation"])


def verdict(raw: Mapping[str, Any]) -> Verdict:
    """Return how it stands with the present generation."""
    if "deletionTimestamp" in raw["metadata"]:
        message = "it is being deleted"
        return Verdict(is_ready=False, is_final=True, reason="Deleting", message=message)
    told = conditions(raw)
    if Type.SUSPENDED in told and raw["spec"].get("suspend") and not is_observed(raw):
        message = str(told[Type.READY]["message"])
        return Verdict(is_ready=False, is_final=True, reason=Reason.SUSPENDED, message=message)
    if not is_observed(raw) or Type.READY not in told:
        generation = raw["metadata"]["generation"]
        message = f"the operator has not looked at generation {generation} yet"
        return Verdict(is_ready=False, is_final=False, reason=Reason.PROGRESSING, message=message)
    ready, stalled = told[Type.READY], told.get(Type.STALLED, {})
    return Verdict(
        is_ready=ready["status"] == "True",
        is_final=ready["status"] == "True" or stalled.get("status") == "True",
        reason=str(ready["reason"]),
        message=str(ready["message"]),
    )
