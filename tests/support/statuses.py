"""What a status says, short enough to compare, and what kstatus makes of it."""

from typing import Any

NOW = "2026-01-02T03:04:05Z"
LATER = "2026-01-02T04:00:00Z"


def reasons(status: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """Return each condition's status and reason by its type."""
    return {c["type"]: (c["status"], c["reason"]) for c in status["conditions"]}


def kstatus(status: dict[str, Any], generation: int) -> str:
    """Return the verdict of kstatus for a resource with these conditions."""
    told = reasons(status)
    if status.get("observedGeneration") != generation:
        return "InProgress"
    if told["Stalled"][0] == "True":
        return "Failed"
    if told["Reconciling"][0] == "True" or told["Ready"][0] != "True":
        return "InProgress"
    return "Current"
