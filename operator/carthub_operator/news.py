"""What a pass has to tell people: Kubernetes Events, once per change. Pure.

What was told before is read from the status that was written before, so a restart repeats nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from carthub_operator.api.conditions import Type
from carthub_operator.api.resource import CartService

# An Event's note may have 1024 bytes.
_MOST_NOTE_BYTES = 1000


@dataclass(frozen=True)
class Change:
    """One write to a child: what was done with which object."""

    action: str
    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


@dataclass(frozen=True)
class News:
    """One Event."""

    is_warning: bool
    reason: str
    action: str
    note: str


def of_children(
    resource: CartService, changes: Sequence[Change], *, version_id: str | None
) -> list[News]:
    """Return what is worth an Event in the writes of a pass; `version_id` is the secret's."""
    before = resource.status
    if "image" not in before:
        # There was no Deployment yet: the Event that it is Ready will speak for all.
        return []
    was_settled = (
        before["observedGeneration"] == resource.generation
        and _conditions(before).get(Type.READY, {}).get("status") == "True"
        and before.get("database", {}).get("secretVersionId") == version_id
    )
    words = {
        "created": ("Restored", "made again") if was_settled else ("Created", "created"),
        "changed": ("Restored", "set back") if was_settled else ("Updated", "updated"),
        "removed": ("Removed", "removed"),
    }
    news = []
    for action, (reason, participle) in words.items():
        # A Job is told by its condition, the Secret by its version.
        children = [
            str(change)
            for change in changes
            if change.action == action and change.kind not in {"Job", "Secret"}
        ]
        if children:
            note = _cut(f"{', '.join(children)} {participle}")
            news.append(News(is_warning=False, reason=reason, action=action, note=note))
    return news


def of_status(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[News]:
    """Return what is worth an Event between two statuses."""
    old, new = _conditions(before), _conditions(now)
    return [
        *_of_secret(before, now),
        *_warnings(old, new),
        *_advice(before, now),
        *_of_ready(old, new),
    ]


def _warnings(
    old: Mapping[str, Mapping[str, Any]], new: Mapping[str, Mapping[str, Any]]
) -> Iterable[News]:
    warned: set[str] = set()
    for kind, bad in (
        (Type.STALLED, "True"),
        (Type.SECRET_SYNCED, "False"),
        (Type.MIGRATION_SUCCEEDED, "False"),
    ):
        condition = new.get(kind, {})
        verdict = (condition.get("status"), condition.get("reason"))
        was = (old.get(kind, {}).get("status"), old.get(kind, {}).get("reason"))
        if verdict[0] != bad or verdict == was or condition["reason"] in warned:
            continue
        warned.add(condition["reason"])
        note = _cut(condition["message"])
        yield News(is_warning=True, reason=condition["reason"], action="reconcile", note=note)


def _advice(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterable[News]:
    known = [one["reason"] for one in before.get("warnings") or ()]
    for one in now.get("warnings") or ():
        if one["reason"] not in known:
            note = _cut(one["message"])
            yield News(is_warning=True, reason=one["reason"], action="reconcile", note=note)


def _of_ready(
    old: Mapping[str, Mapping[str, Any]], new: Mapping[str, Mapping[str, Any]]
) -> Iterable[News]:
    ready, before = new.get(Type.READY, {}), old.get(Type.READY, {})
    is_other = (ready.get("status"), ready.get("message")) != (
        before.get("status"),
        before.get("message"),
    )
    if ready.get("status") == "True" and is_other:
        note = _cut(ready["message"])
        yield News(is_warning=False, reason="Ready", action="rollout", note=note)


def _of_secret(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterable[News]:
    old = before.get("database", {}).get("secretVersionId")
    new = now.get("database", {}).get("secretVersionId")
    if old is not None and new is not None and old != new:
        note = f"The database credentials are now those of version {new}"
        yield News(is_warning=False, reason="SecretUpdated", action="refresh", note=note)


def _conditions(status: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {condition["type"]: condition for condition in status.get("conditions") or ()}


def _cut(note: str) -> str:
    return note.encode()[:_MOST_NOTE_BYTES].decode(errors="ignore")
